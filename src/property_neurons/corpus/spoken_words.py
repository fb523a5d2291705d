"""The words of a transcript, for forced alignment: those that are spoken, or none at all.

An event in brackets is refused and not aligned as noise: PocketSphinx's noise lasts 30 ms whatever the event, and what
remains of the event is laid on the words beside it. With "in the [noise] garden" for "in the beautiful garden", "the"
came 0.3 s late.
"""

import re
import unicodedata
from collections.abc import Container

from property_neurons.errors import AlignmentError, printable, some_of

# Longer than any word of English prose; longer ones are words without spaces, or no words.
_LONGEST = 60
_MARKS = str.maketrans({"’": "'", "‘": "'", "‐": "-", "‑": "-"} | dict.fromkeys(',;:!?"“”„«»…—–', " "))
_DASHES_OR_DOTS = re.compile(r"-{2,}|\.{2,}")
_SPEAKABLE = re.compile(r"[a-z'.-]+")


def written_words(transcript: str, known: Container[str]) -> list[str]:
    """The words of a transcript in lower case, without typographic marks, for a look-up among known ones.

    Quotation marks around a word go; an apostrophe there stays where the word is known with it ('tis).
    """
    tokens = (token.strip(".()[]") for token in transcript.lower().translate(_MARKS).split())
    words = (token if token in known else token.strip("'") for token in tokens)
    return [word for word in words if word.strip("'.-")]


def spoken_words(transcript: str) -> list[str]:
    """The words in lower case, without punctuation but for apostrophes, hyphens and full stops, and without accents.

    Raises:
        AlignmentError: there are no words; or something among them is not made of English letters alone, so that what
            is spoken cannot be told: events in brackets, digits, other scripts, emoji, markup. The message names them.
    """
    words, strange = [], []
    for token in transcript.split():
        spelled = unicodedata.normalize("NFD", token.lower().translate(_MARKS))
        spelled = "".join(letter for letter in spelled if not unicodedata.combining(letter))
        pieces = [piece for piece in _DASHES_OR_DOTS.sub(" ", spelled).split() if piece.strip("'.-")]
        if all(_SPEAKABLE.fullmatch(piece) and len(piece) <= _LONGEST for piece in pieces):
            words += pieces
        else:
            strange.append(printable(repr(token[:_LONGEST])))
    if strange:
        raise AlignmentError(
            f"expected a transcript of words in English letters, found {some_of(strange)}; write what is spoken "
            "(numbers as words), and leave out utterances with events, which have no phones"
        )
    if not words:
        raise AlignmentError("expected a transcript with words, found none; give the utterance its transcript")
    return words
