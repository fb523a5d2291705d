"""MP3: frames, as many as the first one says."""

import re
from functools import cache

import numpy as np

from property_neurons.corpus.containers.outcome import cut, endless, unsupported

_KBITS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_TAGS_AT_THE_END = (b"TAG", b"APETAGEX", b"LYRICSBEGIN")


def mpeg_layer(head: bytes) -> int:
    """1 to 3 for what can be the first two bytes of an MPEG audio frame, else 0."""
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0 or head[1] & 0x18 == 0x08:
        return 0
    return (0, 3, 2, 1)[head[1] >> 1 & 3]


def check_mp3(content: bytes, start: int) -> None:
    """Check the frames of an MP3 file that begins at `start`; errors as of `announced.announced`."""
    if (layer := mpeg_layer(content[start : start + 2])) != 3:
        raise unsupported(f"MPEG audio of layer {layer}")
    lengths = _mpeg_lengths(content[start + 1] >> 3 & 3)
    first = lengths[content[start + 2]] if len(content) > start + 2 else 0
    if not first:
        raise unsupported("MP3 of a free format")
    tag = re.compile(rb"Xing|Info").search(content, start + 4, start + 44)
    flags = content[tag.end() : tag.end() + 8] if tag else b""
    if len(flags) < 8 or not flags[3] & 1:
        raise endless("an MP3 file whose first frame says how many there are (Xing or Info)", "none")
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
        raise cut(f"{count} MP3 frames, as its first frame says", f"{found} whole ones")
    # What LAME and ffmpeg add to that frame: 120 bytes for seeking, the encoder, and at last a length and a checksum.
    encoder = content[tag.start() + 120 : tag.start() + 154]
    size, checksum = int.from_bytes(encoder[28:32], "big"), int.from_bytes(encoder[32:34], "big")
    checked = encoder.startswith((b"LAME", b"Lav")) and checksum and size == place - start
    if checked and _lame_checksum(content[start + first : place]) != checksum:
        raise cut("MP3 frames that match the checksum in its first frame", "others")
    if rest.strip(b"\0") and not rest.startswith(_TAGS_AT_THE_END):
        raise cut("nothing but tags behind the last MP3 frame", f"{len(rest)} other bytes")


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
