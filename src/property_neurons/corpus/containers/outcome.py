"""What is found of a container: what its header announces, or why it is refused."""

from dataclasses import dataclass

from property_neurons.corpus.report import Trouble

FETCH_AGAIN = "fetch or make the file again"
TO_FLAC = "convert it to FLAC, as with ffmpeg -i OLD NEW.flac"
KNOWN = "FLAC, WAV, MP3, OGG or NIST SPHERE"


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


def corrupt(detail: str) -> UncheckedContainer:
    """The refusal of a file that is damaged, or no audio."""
    return UncheckedContainer("corrupt_audio", detail)


def cut(expected: str, found: str) -> UncheckedContainer:
    """The refusal of a file of which part is missing or altered."""
    return corrupt(f"expected {expected}, found {found}; {FETCH_AGAIN}")


def endless(expected: str, found: str) -> UncheckedContainer:
    """The refusal of a file that does not say how long it is."""
    detail = f"expected {expected}, found {found}; where you know that the audio is whole, {TO_FLAC}"
    return UncheckedContainer("unknown_length", detail)


def unsupported(name: str) -> UncheckedContainer:
    """The refusal of a kind of file for which missing parts cannot be told."""
    return UncheckedContainer(
        "unsupported_container", f"expected {KNOWN}, found {name}, which is not checked for missing parts; {TO_FLAC}"
    )
