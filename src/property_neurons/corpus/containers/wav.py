"""WAV: RIFF chunks to the end of the file."""

from property_neurons.corpus.containers.outcome import cut, endless, unsupported
from property_neurons.errors import printable

# Sizes that programs write while they do not know better: 0xFFFFFFFF (ffmpeg), 0x7FFFF000 (SoX), 0x80000000 and others.
_PLACEHOLDER = 0x7FFF_0000
_EXTENSIBLE = 0xFFFE
# PCM, float, A-law and mu-law. What is coded in blocks (ADPCM, GSM) ends in samples that nobody recorded.
_SAMPLE_WISE = (1, 3, 6, 7)


def wav_samples(content: bytes, start: int) -> int:
    """Samples of each channel of a WAV file that begins at `start`; errors as of `announced.announced`."""
    sizes, form, end = {}, b"", len(content)
    place = start + 12
    # What the RIFF header says of the whole is often wrong by some bytes; the chunks are not.
    while place + 8 <= end:
        name, size = content[place : place + 4], int.from_bytes(content[place + 4 : place + 8], "little")
        if not all(32 <= letter < 127 for letter in name):
            break
        place += 8
        if name == b"data" and (size >= _PLACEHOLDER or not size) and size != end - place:
            raise endless("a WAV header with the size of its data", f"{size:#x}, as of a stream that was not finished")
        if size > end - place:
            raise cut(f"{size} bytes in the chunk {printable(name.decode('ascii'))!r}", f"{end - place}")
        if name in sizes and name in (b"data", b"fmt "):
            raise cut(f"one chunk {name.decode()!r}", "two")
        sizes[name] = size
        if name == b"fmt ":
            form = content[place : place + size]
        place += size
        # Chunks are padded to even sizes, but not by every program.
        if size % 2 and content[place : place + 1] == b"\0":
            place += 1
    if content[place:].strip(b"\0"):
        raise cut("RIFF chunks to the end of the file", f"{end - place} other bytes behind them")
    if b"data" not in sizes or len(form) < 16:
        raise cut("a WAV file with the chunks 'fmt ' and 'data'", "none")
    codec = int.from_bytes(form[:2], "little")
    codec = int.from_bytes(form[24:26], "little") if codec == _EXTENSIBLE else codec
    if codec not in _SAMPLE_WISE:
        raise unsupported(f"a WAV file with the codec {codec:#x}")
    return sizes[b"data"] // max(1, int.from_bytes(form[12:14], "little"))
