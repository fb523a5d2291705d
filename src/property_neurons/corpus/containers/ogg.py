"""OGG: numbered pages with checksums."""

import zlib

from property_neurons.corpus.containers.outcome import Announced, cut, unsupported

_OGG_END = 4


def ogg_announced(content: bytes, start: int) -> Announced:
    """What an OGG file that begins at `start` announces; errors as of `announced.announced`."""
    place, serial, flags, number = start, b"", 0, 0
    while place < len(content):
        head = content[place : place + 27]
        if len(head) < 27 or not head.startswith(b"OggS"):
            raise cut("OGG pages to the end of the file", f"other bytes at {place}")
        lacing = content[place + 27 : place + 27 + head[26]]
        end = place + 27 + len(lacing) + sum(lacing)
        if len(lacing) < head[26] or end > len(content):
            raise cut(f"an OGG page of {end - place} bytes at {place}", f"{len(content) - place}")
        if number and head[14:18] != serial:
            raise cut("one stream in an OGG file", "several; take them apart")
        serial, flags = head[14:18], head[5]
        found = int.from_bytes(head[18:22], "little")
        if found != number:
            raise cut(f"page {number} of an OGG file", f"page {found}")
        if _ogg_checksum(content[place : place + 22] + bytes(4) + content[place + 26 : end]) != head[22:26]:
            raise cut(f"page {number} of an OGG file to match its checksum", "another")
        place, number = end, number + 1
    if not flags & _OGG_END:
        raise cut("an OGG file whose last page ends the stream", "one that stops before")
    first = content[start + 27 + content[start + 26] :][:8]
    if not first.startswith((b"\x01vorbis", b"OpusHead")):
        raise unsupported(f"an OGG file of neither Vorbis nor Opus ({first!r})")
    return Announced(None)


_BITS_TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _ogg_checksum(page: bytes) -> bytes:
    """CRC-32 as OGG has it: zlib's polynomial with the bits of each byte, and of the result, the other way round."""
    turned = zlib.crc32(page.translate(_BITS_TURNED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return turned.to_bytes(4, "big").translate(_BITS_TURNED)
