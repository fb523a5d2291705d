"""FLAC: what its header says, or its numbered frames."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from property_neurons.corpus.containers.outcome import Announced, cut

_FLAC_HEAD = re.compile(rb"\xff[\xf8\xf9]")


def flac_announced(content: bytes, start: int) -> Announced:
    """What a FLAC file that begins at `start` announces; errors as of `announced.announced`."""
    if len(content) < start + 42:
        raise cut("a FLAC file with its first header", f"{len(content)} bytes")
    total = int.from_bytes(content[start + 18 : start + 26], "big") & (1 << 36) - 1
    md5 = content[start + 26 : start + 42]
    if any(md5):
        return Announced(total or None, md5)
    # Without a checksum of the whole, what libFLAC fills in for frames that are gone would pass.
    found = _flac_samples(content, _flac_frames_start(content, start))
    if total and found != total:
        raise cut(f"{total} samples, as its FLAC header says", f"frames of {found}")
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
    broken = cut("FLAC frames with one number after the other, to the end of the file", "some missing or cut")
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
