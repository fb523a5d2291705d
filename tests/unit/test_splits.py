"""Splits: who is in which part, whatever the order of rows, and what the checks refuse."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from property_neurons.errors import TaskError
from property_neurons.tasks.splits import (
    PARTS,
    by_corpus,
    by_speaker,
    by_utterance,
    check_no_utterance_twice,
    check_seen_speakers,
    check_unseen_speakers,
    ids_digest,
)


def corpus(speakers, per_speaker=3, subset="s"):
    """A table of {speaker: gender}, `per_speaker` utterances each."""
    rows = [
        {
            "utterance": f"{speaker}-0-{number:04d}",
            "subset": subset,
            "speaker": speaker,
            "gender": gender,
            "n_samples": 16000,
        }
        for speaker, gender in speakers.items()
        for number in range(per_speaker)
    ]
    return pd.DataFrame(rows)


def speakers(n_men, n_women):
    return {f"m{index}": "M" for index in range(n_men)} | {f"f{index}": "F" for index in range(n_women)}


def with_parts(rows):
    """A table of (part, speaker, utterance)."""
    return pd.DataFrame(rows, columns=["part", "speaker", "utterance"]).assign(subset="s", gender="F", n_samples=1)


def hash_order(seed, ids):
    return sorted(ids, key=lambda identity: hashlib.blake2b(f"{seed}\t{identity}".encode()).digest())


@given(
    n_men=st.integers(0, 30),
    n_women=st.integers(0, 30),
    dev=st.floats(0.01, 0.49),
    test=st.floats(0.01, 0.49),
    seed=st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_speakers_are_unseen_and_genders_have_their_shares(n_men, n_women, dev, test, seed):
    if n_men + n_women < 3:
        return
    table = corpus(speakers(n_men, n_women), per_speaker=2)
    split = table.assign(part=by_speaker(table, dev=dev, test=test, seed=seed))
    check_unseen_speakers(split)
    for gender, number in (("M", n_men), ("F", n_women)):
        own = split[split["gender"] == gender].drop_duplicates("speaker")["part"].value_counts()
        if number >= 3:
            assert own.min() >= 1
            assert len(own) == 3
            assert own["test"] == min(max(1, round(test * number)), number - 2)
            assert own["dev"] == min(max(1, round(dev * number)), number - 1 - own["test"])


def test_speakers_go_in_the_order_of_the_hash_of_seed_and_id():
    table = corpus(speakers(10, 20))
    for seed in (0, 1):
        part = by_speaker(table, dev=0.1, test=0.2, seed=seed).groupby(table["speaker"]).first()
        men = hash_order(seed, [f"m{index}" for index in range(10)])
        women = hash_order(seed, [f"f{index}" for index in range(20)])
        assert set(part.index[part == "test"]) == {*men[:2], *women[:4]}
        assert set(part.index[part == "dev"]) == {men[2], *women[4:6]}
    assert set(hash_order(0, part.index)[:8]) != set(hash_order(1, part.index)[:8])


def test_the_test_speakers_do_not_depend_on_the_share_of_dev():
    table = corpus(speakers(12, 9))
    few, many = (by_speaker(table, dev=dev, test=0.2, seed=3) for dev in (0.1, 0.5))
    assert ((few == "test") == (many == "test")).all()
    assert (few == "dev").sum() < (many == "dev").sum()


@pytest.mark.parametrize("split", [by_speaker, by_utterance])
def test_the_order_of_rows_and_their_index_make_no_difference(split):
    table = corpus(speakers(8, 9), per_speaker=7)
    part = split(table, dev=0.2, test=0.3, seed=1)
    assert part.index.equals(table.index)
    assert part.name == "part"
    assert isinstance(part.dtype, pd.StringDtype)
    shuffled = table.sample(frac=1, random_state=0)
    pd.testing.assert_series_equal(split(shuffled, dev=0.2, test=0.3, seed=1).sort_index(), part)
    assert not part.equals(split(table, dev=0.2, test=0.3, seed=2))


@pytest.mark.parametrize(("n_men", "n_women"), [(2, 1), (1, 2), (2, 2)])
def test_few_speakers_still_fill_every_part(n_men, n_women):
    table = corpus(speakers(n_men, n_women))
    part = by_speaker(table, dev=0.1, test=0.1, seed=0)
    assert set(part) == set(PARTS)
    check_unseen_speakers(table.assign(part=part))


def test_a_gender_of_two_speakers_is_trained_on_where_others_fill_the_parts():
    table = corpus(speakers(9, 2))
    part = by_speaker(table, dev=0.3, test=0.3, seed=0)
    assert set(part[table["gender"] == "F"]) == {"train"}


def test_what_cannot_be_split_by_speaker_is_refused():
    shares = {"dev": 0.1, "test": 0.1, "seed": 0}
    with pytest.raises(TaskError, match=r"found 2 \(f0, m0\)"):
        by_speaker(corpus(speakers(1, 1)), **shares)
    table = corpus(speakers(3, 3))
    table.loc[0, "gender"] = "F"
    with pytest.raises(TaskError, match="more of m0"):
        by_speaker(table, **shares)


@pytest.mark.parametrize("split", [by_speaker, by_utterance])
@pytest.mark.parametrize(("dev", "test"), [(0, 0.1), (0.1, 0), (0.5, 0.5), (-0.1, 0.2), (0.1, float("nan"))])
def test_shares_that_leave_a_part_empty_are_refused(split, dev, test):
    with pytest.raises(TaskError, match="shares"):
        split(corpus(speakers(5, 5)), dev=dev, test=test, seed=0)


@pytest.mark.parametrize("per_speaker", [3, 4, 10, 41])
@pytest.mark.parametrize(("dev", "test"), [(0.1, 0.1), (0.05, 0.4), (0.45, 0.45), (0.05, 0.9)])
def test_utterances_of_every_speaker_are_in_every_part(per_speaker, dev, test):
    table = corpus(speakers(4, 3), per_speaker)
    split = table.assign(part=by_utterance(table, dev=dev, test=test, seed=4))
    check_seen_speakers(split)
    check_no_utterance_twice(split)
    n_test = min(max(1, round(test * per_speaker)), per_speaker - 2)
    n_dev = min(max(1, round(dev * per_speaker)), per_speaker - 1 - n_test)
    for _, own in split.groupby("speaker"):
        ordered = hash_order(4, own["utterance"])
        assert set(own.loc[own["part"] == "test", "utterance"]) == set(ordered[:n_test])
        assert set(own.loc[own["part"] == "dev", "utterance"]) == set(ordered[n_test : n_test + n_dev])
        assert (own["part"] == "train").sum() >= 1


@pytest.mark.parametrize(
    ("dev", "test", "of_five", "of_thirty"),
    [(1, 2, (2, 1, 2), (27, 1, 2)), (3, 9, (1, 1, 3), (18, 3, 9)), (1, 0.4, (2, 1, 2), (17, 1, 12))],
)
def test_numbers_of_utterances_are_the_same_for_every_speaker_who_has_enough(dev, test, of_five, of_thirty):
    table = pd.concat([corpus(speakers(2, 0), 5), corpus(speakers(0, 2), 30)], ignore_index=True)
    split = table.assign(part=by_utterance(table, dev=dev, test=test, seed=4))
    check_seen_speakers(split)
    for speaker, own in split.groupby("speaker")["part"]:
        assert tuple((own == part).sum() for part in PARTS) == (of_five if speaker[0] == "m" else of_thirty)


def test_what_cannot_be_split_by_utterance_is_refused():
    table = corpus(speakers(3, 3))
    with pytest.raises(TaskError, match="m1 with 2"):
        by_utterance(table.drop(index=3), dev=0.1, test=0.1, seed=0)
    with pytest.raises(TaskError, match="m0-0-0000 in s and t"):
        by_utterance(pd.concat([table, table.iloc[:1].assign(subset="t")]), dev=0.1, test=0.1, seed=0)


def test_corpora_are_joined_as_parts():
    tables = {"test": corpus({"a": "F"}), "train": corpus({"b": "M"}), "dev": corpus({"c": "F"}, 1)}
    table = by_corpus(tables)
    assert table["part"].tolist() == ["train"] * 3 + ["dev"] + ["test"] * 3
    assert table["speaker"].tolist() == ["b"] * 3 + ["c"] + ["a"] * 3
    assert table.index.tolist() == list(range(7))
    assert "part" not in tables["train"]
    for parts in ({"train": tables["train"]}, tables | {"more": tables["dev"]}):
        with pytest.raises(TaskError, match="a corpus for each"):
            by_corpus(parts)


GOOD = [("train", "a", "a1"), ("train", "b", "b1"), ("dev", "c", "c1"), ("test", "d", "d1")]
SEEN = [("train", "a", "a1"), ("train", "b", "b1"), ("dev", "a", "a2"), ("test", "b", "b2")]


def test_speakers_in_two_parts_are_named():
    check_unseen_speakers(with_parts(GOOD))
    for part in ("train", "dev"):
        with pytest.raises(TaskError, match=f"found d in {part} and test;"):
            check_unseen_speakers(with_parts([*GOOD, (part, "d", "d2")]))


def test_speakers_that_are_not_trained_on_are_named():
    check_seen_speakers(with_parts(SEEN))
    with pytest.raises(TaskError, match="found c in dev alone, d in dev and test alone;"):
        check_seen_speakers(with_parts([*SEEN, ("dev", "c", "c1"), ("dev", "d", "d1"), ("test", "d", "d2")]))


@pytest.mark.parametrize("part", PARTS)
def test_utterances_that_occur_twice_are_named(part):
    check_no_utterance_twice(with_parts(GOOD))
    with pytest.raises(TaskError, match=f"found a1 in train and {part};"):
        check_no_utterance_twice(with_parts([*GOOD, (part, "a", "a1")]))


@pytest.mark.parametrize("check", [check_unseen_speakers, check_seen_speakers, check_no_utterance_twice])
def test_empty_and_unknown_parts_are_named(check):
    with pytest.raises(TaskError, match="no utterance in dev"):
        check(with_parts([row for row in SEEN if row[0] != "dev"]))
    with pytest.raises(TaskError, match="a part 'valid'"):
        check(with_parts([*SEEN, ("valid", "a", "a3")]))


def test_many_names_are_cut_short():
    rows = [(part, f"x{number}", f"{part}{number}") for part in ("train", "test") for number in range(8)]
    with pytest.raises(TaskError, match=r"x4 in train and test and 3 more;"):
        check_unseen_speakers(with_parts([*rows, ("dev", "y", "y1")]))


def test_the_digest_is_that_of_the_sorted_lines():
    table = with_parts(GOOD)
    lines = "dev\ts\tc1\ntest\ts\td1\ntrain\ts\ta1\ntrain\ts\tb1"
    assert ids_digest(table) == hashlib.blake2b(lines.encode(), digest_size=16).hexdigest()
    assert ids_digest(table.iloc[::-1]) == ids_digest(table)
    for column, value in (("part", "dev"), ("subset", "t"), ("utterance", "a9")):
        changed = table.copy()
        changed.loc[0, column] = value
        assert ids_digest(changed) != ids_digest(table)
    assert ids_digest(table.assign(n_samples=np.arange(4))) == ids_digest(table)


def test_one_speaker_cannot_be_told_apart():
    with pytest.raises(TaskError, match="expected two speakers or more to tell apart, found a; name a corpus"):
        check_seen_speakers(with_parts([("train", "a", "a1"), ("dev", "a", "a2"), ("test", "a", "a3")]))
