"""The targets of phone recognition: the phones of an alignment, or those of a lexicon (method, section 5)."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from property_neurons.corpus.phones import PHONES, SILENCE, SILENCE_ID, SPOKEN_NOISE_ID, VOWELS
from property_neurons.errors import TaskError, some_of
from property_neurons.stores.outside import composed, read_text

# In the order of `phones.LABELS`, so that a label's id is its unit.
PHONE_UNITS = (*PHONES, SILENCE)

# Time without a segment is silence where it is longer than a frame of the models.
_LONGEST_GAP_US = 20_000

_STRESSES = ("", "0", "1", "2")
_PRONOUNCED = frozenset({*PHONES, *(vowel + stress for vowel in VOWELS for stress in _STRESSES)})
_VARIANT = re.compile(r"(.+)\(\d+\)")


def aligned_units(segments: pd.DataFrame, utterances: Sequence[str]) -> dict[str, np.ndarray]:
    """The units of utterances by their forced alignment: one for each segment, in order of time.

    Spoken noise counts as silence, and so does time of more than 20 ms between two segments. Silences side by side
    are one unit; equal phones side by side stay two.

    Args:
        segments: utterance, start_us, end_us, label (ids of `phones.LABELS`), in any order.
        utterances: whose units are wanted.

    Returns:
        for each utterance int16 [units], indices into `PHONE_UNITS`

    Raises:
        TaskError: an utterance has no segment.
    """
    table = segments[segments["utterance"].isin(set(utterances))].sort_values(["utterance", "start_us"])
    absent = sorted(set(utterances) - set(table["utterance"]))
    if absent:
        raise TaskError(
            f"aligned units: expected segments of every utterance, found none of {some_of(absent)}; "
            "align them, or leave them out of the task"
        )
    if table.empty:
        return {}
    label = table["label"].to_numpy().astype(np.int16)
    unit = np.where(label == SPOKEN_NOISE_ID, np.int16(SILENCE_ID), label)
    owner, names = pd.factorize(table["utterance"])
    start, end = table["start_us"].to_numpy(), table["end_us"].to_numpy()
    gap = 1 + np.flatnonzero((owner[1:] == owner[:-1]) & (start[1:] - end[:-1] > _LONGEST_GAP_US))
    unit, owner = np.insert(unit, gap, SILENCE_ID), np.insert(owner, gap, owner[gap])
    silent = unit == SILENCE_ID
    kept = np.concatenate([[True], ~(silent[1:] & silent[:-1] & (owner[1:] == owner[:-1]))])
    pieces = np.split(unit[kept], 1 + np.flatnonzero(np.diff(owner[kept])))
    units = dict(zip(names, pieces, strict=True))
    return {utterance: units[utterance] for utterance in utterances}


def read_lexicon(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Read a lexicon in the form of LibriSpeech's or CMUdict's: {word, in capitals: phones, stresses kept}.

    A line is "WORD  W ER1 D"; of a word's pronunciations, in lines of their own and perhaps as "WORD(2)", the first is
    taken. Left out are lines that begin with ";;;", and what follows " #" in a line.

    Raises:
        TaskError: the file is absent or without words, or lines in it are of another form.
        StoreError: the file is not UTF-8.
    """
    path = Path(path)
    if not path.is_file():
        raise TaskError(f"{path}: expected a lexicon, found no file; fetch one, or take the units of the alignment")
    text = composed(read_text(path, remedy="convert the file (iconv -f latin1 -t utf-8)"))
    lexicon, wrong = {}, []
    for number, line in enumerate(text.split("\n"), start=1):
        fields = line.partition(" #")[0].split()
        if not fields or line.startswith(";;;"):
            continue
        word, *phones = fields
        unknown = [phone for phone in phones if phone not in _PRONOUNCED]
        if unknown or not phones:
            wrong.append(f"line {number} ({word} with {', '.join(unknown) or 'no phones'})")
            continue
        variant = _VARIANT.fullmatch(word)
        lexicon.setdefault((variant[1] if variant else word).upper(), tuple(phones))
    if wrong:
        raise TaskError(
            f"{path}: expected a word and its ARPABET phones, stress digits on vowels alone, "
            f"found {some_of(wrong)}; mend or remove these lines"
        )
    if not lexicon:
        raise TaskError(f"{path}: expected words and their phones, found none; fetch the lexicon again")
    return lexicon


def lexicon_units(lexicon: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The phones that a lexicon uses, stresses kept, sorted."""
    return tuple(sorted({phone for phones in lexicon.values() for phone in phones}))


def pronounced_units(
    transcripts: Mapping[str, str], lexicon: Mapping[str, Sequence[str]], units: Sequence[str]
) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """The units of utterances by their words, each pronounced as the lexicon has it.

    Args:
        transcripts: {utterance: its words, between spaces}.
        lexicon: {word, in capitals: phones}.
        units: the phones that there are, as from `lexicon_units`.

    Returns:
        for each utterance int16 [units], indices into `units`; and for each utterance that is left out, because it has
        words that the lexicon lacks or no words at all, those words once each

    Raises:
        TaskError: a word is pronounced with a phone that is no unit.
    """
    unit_ids = {unit: index for index, unit in enumerate(units)}
    sequences, left_out = {}, {}
    for utterance, transcript in transcripts.items():
        words = transcript.upper().split()
        unknown = [word for word in dict.fromkeys(words) if word not in lexicon]
        if unknown or not words:
            left_out[utterance] = unknown
            continue
        phones = [(word, phone) for word in words for phone in lexicon[word]]
        strange = [f"{phone} in {word}" for word, phone in phones if phone not in unit_ids]
        if strange:
            raise TaskError(
                f"utterance {utterance}: expected phones among the {len(unit_ids)} units, found {some_of(strange)}; "
                "take units and words from the same lexicon"
            )
        sequences[utterance] = np.array([unit_ids[phone] for _, phone in phones], dtype=np.int16)
    return sequences, left_out
