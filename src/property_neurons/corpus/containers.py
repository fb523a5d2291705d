"""Audio containers: whether a file holds as much as its header says.

Decoders read on over what is missing. libsndfile shortens WAV, OGG and SPHERE files that were cut, fills in FLAC frames
that are gone, and guesses the length of an MP3 file that does not say it. So each container is walked here from its
first byte to its last. One that cannot be walked, or does not say how long it is, is refused: nobody could tell a part
of it from the whole.

FLAC streams that were written to a pipe do not say their length either, but their frames bear numbers and checksums:
what is missing in the middle or of the last frame shows, whole frames at the end do not.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from property_neurons.corpus.report import Trouble
from property_neurons.errors import printable

_FETCH_AGAIN = "fetch or make the file again"
_TO_FLAC = "convert it to FLAC, as with ffmpeg -i OLD NEW.flac"
_KNOWN = "FLAC, WAV, MP3, OGG or NIST SPHERE"
_OTHERS = (
    (0, b"FORM", "AIFF"),
    (0, b".snd", "AU"),
    (0, b"RF64", "RF64"),
    (0, b"BW64", "BW64"),
    (0, b"RIFX", "RIFX"),
    (0, b"riff", "Wave64"),
    (0, b"caff", "CAF"),
    (0, b"Creative Voice File", "VOC"),
    (0, b"ajkg", "Shorten"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"wvpk", "WavPack"),
    (0, b"#!AMR", "AMR"),
    (0, b"\x30\x26\xb2\x75", "Windows Media"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (4, b"ftyp", "MP4 or M4A"),
)
# Sizes that programs write while they do not know better: 0xFFFFFFFF (ffmpeg), 0x7FFFF000 (SoX), 0x80000000 and others.
_PLACEHOLDER = 0x7FFF_0000
_EXTENSIBLE = 0xFFFE
# PCM, float, A-law and mu-law. What is coded in blocks (ADPCM, GSM) ends in samples that nobody recorded.
_SAMPLE_WISE = (1, 3, 6, 7)
_OGG_END = 4
_KBITS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_TAGS_AT_THE_END = (b"TAG", b"APETAGEX", b"LYRICSBEGIN")
_FLAC_HEAD = re.compile(rb"\xff[\xf8\xf9]")


class UncheckedContainer(Exception):
    """A file holds less or other data than its header states, or states nothing; `trouble` is the row of the report."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.trouble = Trouble(code, detail)


@dataclass(frozen=True)
class Announced:
    """What the header of a container says.

    n_samples: samples of each channel; None where libsndfile's count, made from the same bytes, has to be taken.
    md5: the checksum of a FLAC file's samples, or None.
    """

    n_samples: int | None
    md5: bytes | None = None


def announced(content: bytes) -> Announced:
    """What an audio file announces, after checking that it holds that much.

    Args:
        content: all bytes of the file. Its first bytes say what it is, whatever its name.

    Raises:
        UncheckedContainer: part of the file is missing, it does not say how long it is, or it is of a kind for which
            neither can be told.
    """
    start = _behind_id3(content)
    if content.startswith(b"fLaC", start):
        return _flac(content, start)
    if content.startswith(b"RIFF", start) and content[start + 8 : start + 12] == b"WAVE":
        return Announced(_wav(content, start))
    if content.startswith(b"OggS", start):
        return _ogg(content, start)
    if content.startswith(b"NIST_1A", start):
        return Announced(_sphere(content[start:]))
    if content[start : start + 1] == b"\xff" and _mpeg_layer(content[start : start + 2]):
        _mp3(content, start)
        return Announced(None)
    for place, magic, name in _OTHERS:
        if content.startswith(magic, start + place):
            raise _unsupported(name)
    if content.startswith(b"version https://git-lfs", start):
        raise _corrupt(f"expected {_KNOWN}, found a pointer to it; fetch it with git lfs pull")
    raise _corrupt(f"expected {_KNOWN}, found a file that begins with {content[start : start + 8]!r}; {_FETCH_AGAIN}")


def _corrupt(detail: str) -> UncheckedContainer:
    return UncheckedContainer("corrupt_audio", detail)


def _cut(expected: str, found: str) -> UncheckedContainer:
    return _corrupt(f"expected {expected}, found {found}; {_FETCH_AGAIN}")


def _endless(expected: str, found: str) -> UncheckedContainer:
    detail = f"expected {expected}, found {found}; where you know that the audio is whole, {_TO_FLAC}"
    return UncheckedContainer("unknown_length", detail)


def _unsupported(name: str) -> UncheckedContainer:
    return UncheckedContainer(
        "unsupported_container", f"expected {_KNOWN}, found {name}, which is not checked for missing parts; {_TO_FLAC}"
    )


def _behind_id3(content: bytes) -> int:
    """Where the audio begins behind ID3v2 tags: each has 10 bytes and as many more as 4 times 7 bits of it say."""
    start = 0
    while content.startswith(b"ID3", start) and len(content) >= start + 10:
        footer = 10 if content[start + 5] & 0x10 else 0
        size = 0
        for byte in content[start + 6 : start + 10]:
            size = size << 7 | byte & 0x7F
        start += 10 + size + footer
    return start


# -- WAV


def _wav(content: bytes, start: int) -> int:
    sizes, form, end = {}, b"", len(content)
    place = start + 12
    # What the RIFF header says of the whole is often wrong by some bytes; the chunks are not.
    while place + 8 <= end:
        name, size = content[place : place + 4], int.from_bytes(content[place + 4 : place + 8], "little")
        if not all(32 <= letter < 127 for letter in name):
            break
        place += 8
        if name == b"data" and (size >= _PLACEHOLDER or not size) and size != end - place:
            raise _endless("a WAV header with the size of its data", f"{size:#x}, as of a stream that was not finished")
        if size > end - place:
            raise _cut(f"{size} bytes in the chunk {printable(name.decode('ascii'))!r}", f"{end - place}")
        if name in sizes and name in (b"data", b"fmt "):
            raise _cut(f"one chunk {name.decode()!r}", "two")
        sizes[name] = size
        if name == b"fmt ":
            form = content[place : place + size]
        place += size
        # Chunks are padded to even sizes, but not by every program.
        if size % 2 and content[place : place + 1] == b"\0":
            place += 1
    if content[place:].strip(b"\0"):
        raise _cut("RIFF chunks to the end of the file", f"{end - place} other bytes behind them")
    if b"data" not in sizes or len(form) < 16:
        raise _cut("a WAV file with the chunks 'fmt ' and 'data'", "none")
    codec = int.from_bytes(form[:2], "little")
    codec = int.from_bytes(form[24:26], "little") if codec == _EXTENSIBLE else codec
    if codec not in _SAMPLE_WISE:
        raise _unsupported(f"a WAV file with the codec {codec:#x}")
    return sizes[b"data"] // max(1, int.from_bytes(form[12:14], "little"))


# -- NIST SPHERE


def _sphere(content: bytes) -> int:
    size = re.match(rb"NIST_1A\n *(\d{1,6})\n", content)
    lines = content[: int(size[1])].split(b"\n") if size else []
    fields = {}
    for line in lines[2:]:
        words = line.decode("ascii", "replace").split(None, 2)
        if words[:1] == ["end_head"]:
            break
        if len(words) == 3:
            fields[words[0]] = words[2].strip()
    else:
        raise _cut("a SPHERE header that ends with 'end_head'", "none")
    coding = fields.get("sample_coding", "pcm")
    if coding not in ("pcm", "ulaw", "alaw"):
        raise UncheckedContainer(
            "unsupported_container",
            f"expected a SPHERE file with plain samples, found sample_coding {printable(coding)!r}; unpack it, as with "
            "sph2pipe -f wav OLD NEW.wav",
        )
    try:
        count, channels = int(fields["sample_count"]), int(fields["channel_count"])
        width = int(fields["sample_n_bytes"])
    except (KeyError, ValueError):
        raise _endless(
            "a SPHERE header with whole numbers for sample_count, channel_count and sample_n_bytes",
            f"{printable(', '.join(sorted(fields)))!r}",
        ) from None
    found = max(0, len(content) - int(size[1]))
    if found != count * channels * width:
        raise _cut(f"{count} samples of {channels * width} bytes, as its SPHERE header says", f"{found} bytes of them")
    return count


# -- OGG


def _ogg(content: bytes, start: int) -> Announced:
    place, serial, flags, number = start, b"", 0, 0
    while place < len(content):
        head = content[place : place + 27]
        if len(head) < 27 or not head.startswith(b"OggS"):
            raise _cut("OGG pages to the end of the file", f"other bytes at {place}")
        lacing = content[place + 27 : place + 27 + head[26]]
        end = place + 27 + len(lacing) + sum(lacing)
        if len(lacing) < head[26] or end > len(content):
            raise _cut(f"an OGG page of {end - place} bytes at {place}", f"{len(content) - place}")
        if number and head[14:18] != serial:
            raise _cut("one stream in an OGG file", "several; take them apart")
        serial, flags = head[14:18], head[5]
        found = int.from_bytes(head[18:22], "little")
        if found != number:
            raise _cut(f"page {number} of an OGG file", f"page {found}")
        if _ogg_checksum(content[place : place + 22] + bytes(4) + content[place + 26 : end]) != head[22:26]:
            raise _cut(f"page {number} of an OGG file to match its checksum", "another")
        place, number = end, number + 1
    if not flags & _OGG_END:
        raise _cut("an OGG file whose last page ends the stream", "one that stops before")
    first = content[start + 27 + content[start + 26] :][:8]
    if not first.startswith((b"\x01vorbis", b"OpusHead")):
        raise _unsupported(f"an OGG file of neither Vorbis nor Opus ({first!r})")
    return Announced(None)


_BITS_TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _ogg_checksum(page: bytes) -> bytes:
    """CRC-32 as OGG has it: zlib's polynomial with the bits of each byte, and of the result, the other way round."""
    turned = zlib.crc32(page.translate(_BITS_TURNED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return turned.to_bytes(4, "big").translate(_BITS_TURNED)


# -- MP3


def _mpeg_layer(head: bytes) -> int:
    """1 to 3 for what can be the first two bytes of an MPEG audio frame, else 0."""
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0 or head[1] & 0x18 == 0x08:
        return 0
    return (0, 3, 2, 1)[head[1] >> 1 & 3]


def _mp3(content: bytes, start: int) -> None:
    if (layer := _mpeg_layer(content[start : start + 2])) != 3:
        raise _unsupported(f"MPEG audio of layer {layer}")
    lengths = _mpeg_lengths(content[start + 1] >> 3 & 3)
    first = lengths[content[start + 2]] if len(content) > start + 2 else 0
    if not first:
        raise _unsupported("MP3 of a free format")
    tag = re.compile(rb"Xing|Info").search(content, start + 4, start + 44)
    flags = content[tag.end() : tag.end() + 8] if tag else b""
    if len(flags) < 8 or not flags[3] & 1:
        raise _endless("an MP3 file whose first frame says how many there are (Xing or Info)", "none")
    count = int.from_bytes(flags[4:], "big")
    # Its last bit tells whether the frame has a checksum, which the first frame may lack.
    second = content[start + 1] | 1
    place, end, found = start + first, len(content), 0
    while place + 4 <= end and content[place] == 0xFF and content[place + 1] | 1 == second:
        length = lengths[content[place + 2]]
        if not length or place + length > end:
            break
        place, found = place + length, found + 1
    rest = content[place:]
    if found != count:
        raise _cut(f"{count} MP3 frames, as its first frame says", f"{found} whole ones")
    # What LAME and ffmpeg add to that frame: 120 bytes for seeking, the encoder, and at last a length and a checksum.
    encoder = content[tag.start() + 120 : tag.start() + 154]
    size, checksum = int.from_bytes(encoder[28:32], "big"), int.from_bytes(encoder[32:34], "big")
    checked = encoder.startswith((b"LAME", b"Lav")) and checksum and size == place - start
    if checked and _lame_checksum(content[start + first : place]) != checksum:
        raise _cut("MP3 frames that match the checksum in its first frame", "others")
    if rest.strip(b"\0") and not rest.startswith(_TAGS_AT_THE_END):
        raise _cut("nothing but tags behind the last MP3 frame", f"{len(rest)} other bytes")


@cache
def _mpeg_lengths(version: int) -> list[int]:
    """Bytes of a frame of layer 3 for each value of the third byte of its header; 0 where it says none."""
    rates, one = _MPEG_RATES[version], version == 3
    lengths = []
    for byte in range(256):
        bits, rate = byte >> 4, byte >> 2 & 3
        known = 0 < bits < 15 and rate < 3
        lengths.append((144 if one else 72) * 1000 * _KBITS[one][bits] // rates[rate] + (byte >> 1 & 1) if known else 0)
    return lengths


# The polynomial's powers repeat after so many bits, and so after so many bytes.
_PERIOD = 2**15 - 1


def _lame_checksum(music: bytes) -> int:
    """CRC-16 with the reversed polynomial 0xA001: each bit that is set adds (xor) a weight that its place gives it."""
    folded = np.frombuffer(music, np.uint8)
    if len(folded) > _PERIOD:
        folded = np.bitwise_xor.reduce(np.pad(folded, (-len(folded) % _PERIOD, 0)).reshape(-1, _PERIOD), axis=0)
    bits = np.unpackbits(folded, bitorder="little")
    return int(np.bitwise_xor.reduce(bits * _crc_weights()[8 * _PERIOD - len(bits) :]))


@cache
def _crc_weights() -> np.ndarray:
    """uint16 [8 * _PERIOD], first bit first."""
    weights, value = np.empty(_PERIOD, np.uint16), 0xA001
    for place in range(_PERIOD):
        weights[place] = value
        value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return np.tile(weights, 8)[::-1].copy()


# -- FLAC


def _flac(content: bytes, start: int) -> Announced:
    if len(content) < start + 42:
        raise _cut("a FLAC file with its first header", f"{len(content)} bytes")
    total = int.from_bytes(content[start + 18 : start + 26], "big") & (1 << 36) - 1
    md5 = content[start + 26 : start + 42]
    if any(md5):
        return Announced(total or None, md5)
    # Without a checksum of the whole, what libFLAC fills in for frames that are gone would pass.
    found = _flac_samples(content, _flac_frames_start(content, start))
    if total and found != total:
        raise _cut(f"{total} samples, as its FLAC header says", f"frames of {found}")
    return Announced(found)


def _flac_frames_start(content: bytes, start: int) -> int:
    place = start + 4
    while len(content) >= place + 4:
        last = content[place] & 0x80
        place += 4 + int.from_bytes(content[place + 1 : place + 4], "big")
        if last:
            break
    return place


@dataclass(frozen=True)
class _FlacHead:
    """The header of a FLAC frame: where it stands, what it counts (frames or samples), and the samples of its frame."""

    place: int
    counts_samples: bool
    number: int
    size: int


def _flac_samples(content: bytes, start: int) -> int:
    """The samples of consecutively numbered FLAC frames, up to the end of the file.

    libFLAC checks that each frame is intact, except the last one: it takes a truncated frame for the end.
    """
    last, total = None, 0
    broken = _cut("FLAC frames with one number after the other, to the end of the file", "some missing or cut")
    for head in _flac_heads(content, start):
        expected = 0 if last is None else last.number + (last.size if last.counts_samples else 1)
        if head.number == expected and (last is not None or head.place == start):
            last, total = head, total + head.size
        elif last is None or not _crc16(content[last.place : head.place]):
            raise broken
        # Else the checksum of the frame before has not been met: what looks like a header are samples.
    if last is None or _crc16(content[last.place :]):
        raise broken
    return total


def _flac_heads(content: bytes, start: int) -> Iterator[_FlacHead]:
    for match in _FLAC_HEAD.finditer(content, start):
        place = match.start()
        head = content[place : place + 16]
        if len(head) < 16 or head[2] < 16 or head[3] & 1:
            continue
        # The number is written like a letter of UTF-8, of up to seven bytes.
        ones = 8 - (head[4] ^ 0xFF).bit_length()
        if ones in (1, 8) or any(byte & 0xC0 != 0x80 for byte in head[5 : 4 + ones]):
            continue
        number = head[4] & (0x7F if not ones else 0x7F >> ones)
        for byte in head[5 : 4 + ones]:
            number = number << 6 | byte & 0x3F
        end = 4 + max(1, ones)
        code = head[2] >> 4
        more = {6: 1, 7: 2}.get(code, 0)
        size = int.from_bytes(head[end : end + more], "big") + 1
        end += more + {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
        if not more:
            size = 192 if code == 1 else 576 << code - 2 if code < 6 else 256 << code - 8
        if len(head) > end and _crc8(head[:end]) == head[end]:
            yield _FlacHead(place, bool(head[1] & 1), number, size)


def _crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value << 1 ^ (0x107 if value & 0x80 else 0)
    return value


def _crc16_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 8
        for _ in range(8):
            value = value << 1 ^ (0x18005 if value & 0x8000 else 0)
        table.append(value)
    return table


_CRC16 = _crc16_table()


def _crc16(data: bytes) -> int:
    """CRC-16 as FLAC has it (polynomial 0x8005); 0 for a whole frame with its checksum behind it."""
    value = 0
    for byte in data:
        value = value << 8 & 0xFF00 ^ _CRC16[value >> 8 ^ byte]
    return value
