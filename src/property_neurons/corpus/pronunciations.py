"""Words and stress for phones whose labels say neither, by aligning the transcript with a pronunciation dictionary."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from property_neurons.corpus.phones import LABEL_IDS, PHONES, VOWELS
from property_neurons.errors import CorpusError, printable, some_of
from property_neurons.stores.outside import read_text

# Of a phone that only one of the two has, of another phone in its place, and of phones of a word that nobody knows.
_ONE_SIDED, _OTHER, _UNKNOWN = 1.0, 1.2, 0.5
_VOWELS = frozenset(LABEL_IDS[phone] for phone in VOWELS)
_PHONE = re.compile(r"([A-Za-z]+)([0-2]?)")
_NUMBER = re.compile(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?")


@dataclass(frozen=True)
class Pronunciation:
    """One way to say a word: label ids of its phones, and the stress of each, "" for consonants."""

    phones: tuple[int, ...]
    stress: tuple[str, ...]


def read_dictionary(path: str | Path) -> dict[str, list[Pronunciation]]:
    """Read a dictionary in the form of CMUdict or of the Montreal Forced Aligner: a word and its ARPABET phones a line.

    Comments begin with ";;;" or "#"; numbers between word and phones (probabilities) are passed over.

    Raises:
        CorpusError: lines without phones, or with others than the 39.
        StoreError: the file is absent or not UTF-8.
    """
    words: dict[str, list[Pronunciation]] = {}
    wrong = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        fields = line.split("#")[0].split()
        if not fields or line.startswith(";;;"):
            continue
        word, *rest = fields
        phones = [_PHONE.fullmatch(field) for field in rest if not _NUMBER.fullmatch(field)]
        if not phones or any(phone is None or phone[1].upper() not in PHONES for phone in phones):
            wrong.append(f"line {number} ({printable(line[:40])})")
            continue
        found = Pronunciation(
            tuple(LABEL_IDS[phone[1].upper()] for phone in phones), tuple(phone[2] for phone in phones)
        )
        words.setdefault(re.sub(r"\(\d+\)$", "", word).lower(), []).append(found)
    if wrong or not words:
        raise CorpusError(
            f"{printable(path)}: expected words with phones of ARPABET, as in CMUdict, found "
            f"{some_of(wrong) or 'no word'}; mend these lines, or name another dictionary"
        )
    return words


@dataclass(frozen=True)
class Spoken:
    """Which word each phone of an utterance belongs to, and its stress.

    word: int64 [phones], index into the words of the transcript; -1 for none.
    stress: of each phone, "0", "1" or "2"; "" for none.
    agreement: share of the phones that are as the dictionary says.
    """

    word: np.ndarray
    stress: tuple[str, ...]
    agreement: float


def lay_words(words: Sequence[str], labels: np.ndarray, dictionary: Mapping[str, Sequence[Pronunciation]]) -> Spoken:
    """Align the words of a transcript with the phones of an utterance, with the fewest changes of pronunciations.

    By dynamic programming over phones, words and their pronunciations. A word that the dictionary lacks takes phones at
    half the price of a change.

    Args:
        labels: int [phones], ids of the phones in order, without silence.
    """
    n = len(labels)
    word_of, stress, agreeing = np.full(n, -1), [""] * n, 0
    ends = [np.arange(n + 1) * _ONE_SIDED]
    tables = []
    for word in words:
        said = dictionary.get(word)
        of_word = [_costs(ends[-1], labels, one) for one in said] if said else [_unknown_costs(ends[-1])]
        tables.append(of_word)
        ends.append(np.min([table[-1] for table in of_word], axis=0))
    place = n
    for index in reversed(range(len(words))):
        of_word = tables[index]
        chosen = int(np.argmin([table[-1][place] for table in of_word]))
        table, said = of_word[chosen], dictionary.get(words[index])
        if not said:
            while place and not np.isclose(table[1][place], table[0][place] + _ONE_SIDED):
                place -= 1
                word_of[place] = index
            continue
        one = said[chosen]
        phone = len(one.phones)
        while phone:
            here = table[phone][place]
            cost = None if not place else (0.0 if labels[place - 1] == one.phones[phone - 1] else _OTHER)
            if cost is not None and np.isclose(here, table[phone - 1][place - 1] + cost):
                place, phone = place - 1, phone - 1
                word_of[place] = index
                # A consonant in the place of a vowel has no stress.
                stress[place] = one.stress[phone] if labels[place] in _VOWELS else ""
                agreeing += cost == 0
            elif np.isclose(here, table[phone - 1][place] + _ONE_SIDED):
                phone -= 1
            else:
                place -= 1
                word_of[place] = index
    return Spoken(word_of, tuple(stress), agreeing / n if n else 0.0)


def _costs(start: np.ndarray, labels: np.ndarray, said: Pronunciation) -> list[np.ndarray]:
    """The least cost of aligning a word's first phones with the utterance's first 0 to n phones: [n + 1] each."""
    rows = [start]
    for phone in said.phones:
        before = rows[-1]
        row = before + _ONE_SIDED
        row[1:] = np.minimum(row[1:], before[:-1] + np.where(labels == phone, 0.0, _OTHER))
        rows.append(_skipping(row, _ONE_SIDED))
    return rows


def _unknown_costs(start: np.ndarray) -> list[np.ndarray]:
    return [start, _skipping(start + _ONE_SIDED, _UNKNOWN)]


def _skipping(row: np.ndarray, price: float) -> np.ndarray:
    """The least cost where phones of the utterance may be passed over at a price."""
    steps = np.arange(len(row)) * price
    return np.minimum.accumulate(row - steps) + steps
