"""JSON files of a corpus: one object, its keys names of speakers or utterances."""

from pathlib import Path
from typing import Any

from property_neurons.errors import CorpusError, printable
from property_neurons.stores.outside import composed, read_outside_json


def read_object(path: str | Path, expected: str) -> dict[str, Any]:
    """The object in a JSON file, plain or in gzip, with composed keys (`utterance_files.composed`).

    Args:
        expected: what it should hold, for the message.

    Raises:
        CorpusError: the file holds something else, or the same name spelled in two ways.
        StoreError: the file is absent, not UTF-8, not JSON, or has a key twice.
    """
    content = read_outside_json(path, expected, remedy="fetch or make the file again")
    if not isinstance(content, dict):
        raise CorpusError(
            f"{printable(path)}: expected {expected}, found a {type(content).__name__}; make the file again"
        )
    if all(key.isascii() for key in content):
        return content
    by_name: dict[str, str] = {}
    for key in content:
        if by_name.setdefault(composed(key), key) != key:
            raise CorpusError(
                f"{printable(path)}: expected each name once, found {printable(composed(key))} spelled in two ways "
                "(Unicode NFC and NFD); leave one of the two"
            )
    return {composed(key): value for key, value in content.items()}
