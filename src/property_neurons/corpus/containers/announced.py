"""What an audio file announces, by the container that its first bytes say it is."""

from property_neurons.corpus.containers.flac import flac_announced
from property_neurons.corpus.containers.mp3 import check_mp3, mpeg_layer
from property_neurons.corpus.containers.ogg import ogg_announced
from property_neurons.corpus.containers.outcome import FETCH_AGAIN, KNOWN, Announced, corrupt, unsupported
from property_neurons.corpus.containers.sphere import sphere_samples
from property_neurons.corpus.containers.wav import wav_samples

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
        return flac_announced(content, start)
    if content.startswith(b"RIFF", start) and content[start + 8 : start + 12] == b"WAVE":
        return Announced(wav_samples(content, start))
    if content.startswith(b"OggS", start):
        return ogg_announced(content, start)
    if content.startswith(b"NIST_1A", start):
        return Announced(sphere_samples(content[start:]))
    if content[start : start + 1] == b"\xff" and mpeg_layer(content[start : start + 2]):
        check_mp3(content, start)
        return Announced(None)
    for place, magic, name in _OTHERS:
        if content.startswith(magic, start + place):
            raise unsupported(name)
    if content.startswith(b"version https://git-lfs", start):
        raise corrupt(f"expected {KNOWN}, found a pointer to it; fetch it with git lfs pull")
    raise corrupt(f"expected {KNOWN}, found a file that begins with {content[start : start + 8]!r}; {FETCH_AGAIN}")


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
