"""Which utterances a task is trained, chosen and tested on (method, section 5).

The tables are those of corpora: utterance, subset, speaker, gender, n_samples, and what else they hold.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping

import pandas as pd

from property_neurons.errors import TaskError, some_of

TRAIN, DEV, TEST = PARTS = ("train", "dev", "test")


def by_speaker(utterances: pd.DataFrame, *, dev: float, test: float, seed: int) -> pd.Series:
    """Deal whole speakers to the parts, each gender by the same shares: speakers are unseen across parts.

    Within a gender speakers are taken in the order of a hash of seed and id, those to test on first, so that the test
    part does not depend on the share of dev. A gender of three speakers or more is in every part. The speakers of a
    smaller one are trained on, unless a part would stay empty.

    Args:
        utterances: the table, in any order of rows.
        dev, test: shares of the speakers, above 0 and below 1 together.
        seed: of the order.

    Returns:
        "train", "dev" or "test" for each row

    Raises:
        TaskError: fewer than three speakers, a speaker of two genders, or shares that leave nothing to train on.
    """
    _check_shares(dev, test)
    by_gender = _speakers_by_gender(utterances)
    n_speakers = sum(map(len, by_gender.values()))
    if n_speakers < len(PARTS):
        names = ", ".join(sorted(speaker for speakers in by_gender.values() for speaker in speakers))
        raise TaskError(
            f"split by speaker: expected at least three speakers, one for each part, found {n_speakers} "
            f"({names or 'none'}); name a corpus of more speakers, or split by utterance"
        )
    part_of, trained_on = {}, {}
    for gender, speakers in sorted(by_gender.items()):
        ordered = _in_hash_order(seed, speakers)
        n_dev, n_test = _part_sizes(len(ordered), dev, test) if len(ordered) >= len(PARTS) else (0, 0)
        part_of |= dict.fromkeys(ordered[:n_test], TEST) | dict.fromkeys(ordered[n_test : n_test + n_dev], DEV)
        trained_on[gender] = ordered[n_test + n_dev :]
    for part in (TEST, DEV):
        if part not in part_of.values():
            part_of[max(trained_on.values(), key=len).pop(0)] = part
    return utterances["speaker"].map(lambda speaker: part_of.get(speaker, TRAIN)).astype("str").rename("part")


def by_utterance(utterances: pd.DataFrame, *, dev: float, test: float, seed: int) -> pd.Series:
    """Deal the utterances of each speaker to the parts, at least one to each: every speaker is in all of them.

    A speaker's utterances are taken in the order of a hash of seed and id, those to test on first.

    Args:
        utterances: the table, in any order of rows.
        dev, test: shares of each speaker's utterances, above 0 and below 1 together; from 1 on, so many utterances of
            each speaker, fewer where he would be left without any to train on.
        seed: of the order.

    Returns:
        "train", "dev" or "test" for each row

    Raises:
        TaskError: a speaker of fewer than three utterances, an utterance that occurs twice, or shares that leave
            nothing to train on.
    """
    _check_shares(dev, test)
    _check_once(utterances)
    counts = utterances["speaker"].value_counts()
    few = sorted(counts.index[counts < len(PARTS)])
    if few:
        found = some_of([f"{speaker} with {counts[speaker]}" for speaker in few])
        raise TaskError(
            "split by utterance: expected at least three utterances of each speaker, one for each part, "
            f"found {found}; leave these speakers out, or split by speaker"
        )
    part_of = {}
    for _, own in utterances.groupby("speaker")["utterance"]:
        ordered = _in_hash_order(seed, own)
        n_dev, n_test = _part_sizes(len(ordered), dev, test)
        part_of |= dict.fromkeys(ordered[:n_test], TEST) | dict.fromkeys(ordered[n_test : n_test + n_dev], DEV)
    return utterances["utterance"].map(lambda utterance: part_of.get(utterance, TRAIN)).astype("str").rename("part")


def by_corpus(parts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Join a table for each part, in the order train, dev, test, and add the column `part`.

    Raises:
        TaskError: the parts named are not train, dev and test.
    """
    if set(parts) != set(PARTS):
        raise TaskError(
            f"split by corpus: expected a corpus for each of {', '.join(PARTS)}, "
            f"found {', '.join(sorted(parts)) or 'none'}; name one for each"
        )
    return pd.concat([parts[part].assign(part=part) for part in PARTS], ignore_index=True)


def check_unseen_speakers(table: pd.DataFrame) -> None:
    """Check that no speaker is in two parts of a split.

    Raises:
        TaskError: naming the speakers who are, or the part that is empty or unknown.
    """
    _check_parts(table)
    parts_of = table.groupby("speaker")["part"].unique()
    found = [
        f"{speaker} in {' and '.join(sorted(parts, key=PARTS.index))}"
        for speaker, parts in parts_of.items()
        if len(parts) > 1
    ]
    if found:
        raise TaskError(
            f"split: expected every speaker in one part, found {some_of(found)}; split by speaker, "
            "or name corpora that share none"
        )


def check_seen_speakers(table: pd.DataFrame) -> None:
    """Check that every speaker of dev and test is in the training part, too.

    Raises:
        TaskError: naming the speakers who are not, or the part that is empty or unknown.
    """
    _check_parts(table)
    trained_on = set(table.loc[table["part"] == TRAIN, "speaker"])
    if len(trained_on) < 2:
        raise TaskError(
            f"split: expected two speakers or more to tell apart, found {some_of(sorted(trained_on))}; name a corpus "
            "of more"
        )
    unseen = table[~table["speaker"].isin(trained_on)].groupby("speaker")["part"].unique()
    found = [f"{speaker} in {' and '.join(sorted(parts))} alone" for speaker, parts in unseen.items()]
    if found:
        raise TaskError(
            f"split: expected every speaker of dev and test in train too, found {some_of(found)}; split by utterance, "
            "or leave these speakers out"
        )


def check_no_utterance_twice(table: pd.DataFrame) -> None:
    """Check that an utterance id occurs only once, whatever its subset and part.

    Raises:
        TaskError: naming the utterances that occur more often, or the part that is empty or unknown.
    """
    _check_parts(table)
    _check_once(table)


def ids_digest(table: pd.DataFrame) -> str:
    """A digest of the parts of all utterances, whatever the order of rows: 32 hexadecimal digits.

    It is the blake2b of the sorted lines "part<TAB>subset<TAB>utterance".
    """
    rows = zip(table["part"], table["subset"], table["utterance"], strict=True)
    lines = sorted("\t".join(row) for row in rows)
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def _check_shares(dev: float, test: float) -> None:
    shares = sum(size for size in (dev, test) if size < 1)
    if not (dev > 0 and test > 0 and shares < 1):
        raise TaskError(
            f"split: expected shares of dev and test above 0 that leave some for train, found dev {dev} and test "
            f"{test}; lower or raise them"
        )


def _check_parts(table: pd.DataFrame) -> None:
    found = set(table["part"])
    unknown = sorted(map(str, found - set(PARTS)))
    missing = [part for part in PARTS if part not in found]
    if unknown or missing:
        problems = [f"no utterance in {part}" for part in missing] + [f"a part {part!r}" for part in unknown]
        raise TaskError(
            f"split: expected utterances in each of {', '.join(PARTS)}, found {' and '.join(problems)}; "
            "change the corpora or shares of the task"
        )


def _check_once(table: pd.DataFrame) -> None:
    again = sorted(set(table.loc[table["utterance"].duplicated(), "utterance"]))
    if not again:
        return
    place = "part" if "part" in table else "subset"
    places = table[table["utterance"].isin(again)].groupby("utterance")[place].agg(" and ".join)
    found = some_of([f"{utterance} in {places[utterance]}" for utterance in again])
    raise TaskError(
        f"split: expected every utterance once, found {found}; leave all but one of each out, "
        "or name corpora that share none"
    )


def _speakers_by_gender(utterances: pd.DataFrame) -> dict[str, list[str]]:
    pairs = utterances[["speaker", "gender"]].drop_duplicates()
    doubtful = sorted(pairs.loc[pairs["speaker"].duplicated(), "speaker"].unique())
    if doubtful:
        raise TaskError(
            f"split by speaker: expected one gender of each speaker, found more of {some_of(doubtful)}; "
            "mend the list of speakers"
        )
    by_gender = defaultdict(list)
    for speaker, gender in zip(pairs["speaker"], pairs["gender"], strict=True):
        by_gender[gender].append(speaker)
    return by_gender


def _part_sizes(number: int, dev: float, test: float) -> tuple[int, int]:
    """How many of three or more go to dev and to test; each part, train included, gets at least one."""
    wanted_dev, wanted_test = (round(size if size >= 1 else size * number) for size in (dev, test))
    n_test = min(max(1, wanted_test), number - 2)
    n_dev = min(max(1, wanted_dev), number - 1 - n_test)
    return n_dev, n_test


def _in_hash_order(seed: int, ids: Iterable[str]) -> list[str]:
    return sorted(ids, key=lambda identity: hashlib.blake2b(f"{seed}\t{identity}".encode()).digest())
