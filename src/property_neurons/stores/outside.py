"""Reading files from outside (text, JSON, gzip, arrays, parquet), with limits on what such a file can hold.

Others made these files: by hand, with a spreadsheet, on another system. A byte order mark is not part of the text. Text
that is not UTF-8, a key that stands twice, and a file that unpacks to a thousand times its size are refused by name,
never guessed at.
"""

import json
import math
import unicodedata
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from property_neurons.errors import StoreError, printable

if TYPE_CHECKING:
    import numpy as np

_GZIP_MAGIC = b"\x1f\x8b"
# Labels of whole corpora shrink to a tenth or twentieth; the format itself would allow a thousandth.
_MOST_TIMES_LARGER = 100
_ALWAYS_ALLOWED = 2**26
_PIECE = 2**20
_ALWAYS_ALLOWED_ROWS = 2**22


def read_text(path: str | Path, *, remedy: str = "save it as UTF-8") -> str:
    """The text of a file in UTF-8, with or without a mark at its beginning, plain or in gzip; line ends become "\\n".

    Raises:
        StoreError: the file is absent or cannot be read, is not UTF-8 (the message names the line), or unpacks to more
            than such a file can hold.
    """
    return decoded(read_bytes(path), path, remedy=remedy)


def decoded(raw: bytes, path: str | Path, *, remedy: str = "save it as UTF-8") -> str:
    """As `read_text`, of bytes that have been read."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        found = "UTF-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else f"the byte 0x{raw[error.start]:02x}"
        raise StoreError(f"{printable(path)}, line {line}: expected text in UTF-8, found {found}; {remedy}") from None
    if "\0" in text:
        # UTF-16 without its mark, or no text at all.
        line = text.count("\n", 0, text.index("\0")) + 1
        raise StoreError(f"{printable(path)}, line {line}: expected text in UTF-8, found the byte 0x00; {remedy}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def composed(name: str) -> str:
    """A name in composed form, to compare: "é" is one letter, whether stored as one (NFC) or two (NFD, macOS)."""
    return unicodedata.normalize("NFC", name)


def as_on_disk(path: Path) -> Path:
    """A path in the form, composed (NFC) or decomposed (NFD), in which there is a file of it; else as it is given."""
    if str(path).isascii() or path.exists():
        return path
    others = (Path(unicodedata.normalize(form, str(path))) for form in ("NFC", "NFD"))
    return next((other for other in others if other.exists()), path)


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file, unpacked where they are gzip, whatever its name.

    Raises:
        StoreError: the file is absent or cannot be read, is gzip that is damaged, cut short, or unpacks to more than
            100 times its size (above 64 MiB).
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise StoreError(f"{printable(path)}: expected a file, found nothing; correct the path") from None
    except OSError as error:
        raise StoreError(
            f"{printable(path)}: expected a file, found {error.strerror}; correct the path or the file"
        ) from None
    return _unpacked(raw, path) if raw.startswith(_GZIP_MAGIC) else raw


def _unpacked(raw: bytes, path: Path) -> bytes:
    limit = max(_ALWAYS_ALLOWED, _MOST_TIMES_LARGER * len(raw))
    pieces, size = [], 0
    try:
        while raw:
            member = zlib.decompressobj(wbits=31)
            rest = raw
            while not member.eof:
                piece = member.decompress(rest, _PIECE)
                rest = member.unconsumed_tail
                if not piece and not rest and not member.eof:
                    raise zlib.error("a stream that is cut short")
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    raise StoreError(
                        f"{printable(path)}: expected a gzip file of at most {limit >> 20} MiB when unpacked, found "
                        "more; do not use this file unless you know what it holds: then unpack it yourself"
                    )
            # Padding with zeros is allowed after the last member.
            raw = member.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise StoreError(
            f"{printable(path)}: expected a whole gzip file, found {error}; fetch or make the file again"
        ) from None
    return b"".join(pieces)


def read_outside_json(path: str | Path, expected: str = "JSON", *, remedy: str = "mend the file") -> Any:
    """The content of a JSON file (plain or in gzip) that others may have written.

    Args:
        expected: what it should hold, for the message: "a JSON object {speaker: M or F}".

    Raises:
        StoreError: the file is absent, not UTF-8, not JSON, nested too deep, or has a key twice in one object.
    """
    text = read_text(path)
    try:
        return parse_json(text)
    except ValueError as error:
        raise StoreError(f"{printable(path)}: expected {expected}, found {error}; {remedy}") from None


def parse_json(text: str | bytes) -> Any:
    """As `json.loads`, but a key that stands twice in one object is an error, and so is nesting without end.

    Raises:
        ValueError: not such JSON; the message says what was found.
    """
    if not text.strip():
        raise ValueError("an empty file")
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise ValueError(f"what is no JSON from line {error.lineno}, column {error.colno} on") from None
    except RecursionError:
        raise ValueError("lists or objects nested too deep") from None


def read_array(path: str | Path, *, mapped: bool = False) -> "np.ndarray":
    """The array of a .npy file; its shape must fit the size of the file.

    Args:
        mapped: into memory, to be read where it is used.

    Raises:
        StoreError: the file is absent, no such file, or holds Python objects.
    """
    # Snakemake's rules import this module for JSON alone.
    import numpy as np

    from property_neurons.stores.mapped import MappedArray

    path = Path(path)
    try:
        with path.open("rb") as stream:
            major, _ = np.lib.format.read_magic(stream)
            read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
            shape, _, dtype = read_header(stream)
            expected, found = stream.tell() + math.prod(shape) * dtype.itemsize, path.stat().st_size
        if expected != found:
            raise ValueError(f"{found} bytes, where its shape {shape} takes {expected}")
        if mapped and math.prod(shape):
            return np.load(path, mmap_mode="r").view(MappedArray)
        # An empty array cannot be mapped.
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise StoreError(
            f"{printable(path)}: expected a whole .npy file of numbers, found {printable(error)}; make it anew"
        ) from None


def check_parquet(path: str | Path) -> None:
    """Check that a .parquet file claims no more rows than its size can hold: a column of one value takes no room.

    Raises:
        StoreError: it claims more.
        ValueError, OSError: it is not a .parquet file.
    """
    # Slow to import, and not needed where rules are read.
    import pyarrow.parquet as pq

    rows, size = pq.read_metadata(path).num_rows, Path(path).stat().st_size
    if rows > max(_ALWAYS_ALLOWED_ROWS, _MOST_TIMES_LARGER * size):
        raise StoreError(
            f"{printable(path)}: expected what a table of {size} bytes can hold, found {rows:,} rows; do not use this "
            "file unless you made it"
        )


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in content if keys.count(key) > 1)
        raise ValueError(f"the key {printable(repr(twice))} {keys.count(twice)} times in one object")
    return content
