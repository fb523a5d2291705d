"""The table of a task: who is in which part, and references against what they are made of."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_stores

from property_neurons.corpus.phones import LABEL_IDS
from property_neurons.errors import StoreError, TaskError
from property_neurons.stores import files
from property_neurons.tasks.make_table import divide, write_task_data
from property_neurons.tasks.table import COLUMNS, read_task_data

BY_SPEAKER = {"by": "speaker", "corpus": "made", "dev": 0.2, "test": 0.3, "seed": 0}
BY_UTTERANCE = BY_SPEAKER | {"by": "utterance"}
KINDS_OF_UNSEEN_SPEAKERS = ["phone_recognition", "f0_reconstruction"]
WORDS = ("a cat", "a hat", "the cat")


def utterances(speakers=("1", "2", "3", "4", "5"), per_speaker=4, name="{}-{}"):
    names = [(speaker, number) for speaker in speakers for number in range(per_speaker)]
    return pd.DataFrame(
        {
            "utterance": [name.format(*one) for one in names],
            "subset": "all",
            "speaker": [speaker for speaker, _ in names],
            "gender": ["F" if int(speaker) % 2 else "M" for speaker, _ in names],
            "audio": [f"{speaker}/{number}.wav" for speaker, number in names],
            "audio_digest": "0",
            "n_samples": [16_000 + 320 * number for _, number in names],
        }
    )


def segments_of(table):
    """Three segments for each utterance: its phones tell its number, and there is a pause before the last."""
    rows = []
    for place, name in enumerate(table["utterance"]):
        phones = (("AH", 0, 100), ("T" if place % 2 else "N", 100, 200), ("IY", 300, 400))
        rows += [(name, 1000 * start, 1000 * end, LABEL_IDS[phone]) for phone, start, end in phones]
    return pd.DataFrame(rows, columns=["utterance", "start_us", "end_us", "label"])


def tracks_of(table):
    """F0 in Hz for each utterance, NaN where unvoiced, of different lengths."""
    return {name: (100.0 + place, math.nan, 200.0)[: 2 + place % 2] for place, name in enumerate(table["utterance"])}


def write_tracks(path, tracks, pitch="yaapt", subset="all"):
    corpus = [
        synthetic_stores.Utterance(name, subset, "1", "F", ((0, 60_000, "AH"),), 60_000, tuple(track), ())
        for name, track in tracks.items()
    ]
    return synthetic_stores.write_frames(path, corpus, pitch)


def write(path, kind, table, split=BY_SPEAKER, **inputs):
    """Write the task's data and read them back."""
    write_task_data(path / "task.parquet", divide({"made": table}, split, kind), kind, **inputs)
    return read_task_data(path / "task.manifest.json")


def references(data):
    return {row.utterance: list(row.reference) for row in data.table.itertuples()}


@pytest.mark.parametrize("kind", KINDS_OF_UNSEEN_SPEAKERS)
def test_a_speaker_in_two_parts_is_refused(kind):
    with pytest.raises(TaskError, match=r"every speaker in one part, found 1 in train and dev and test"):
        divide({"made": utterances()}, BY_UTTERANCE, kind)
    corpora = {
        "a": utterances(("1", "2")),
        "b": utterances(("3",)),
        "c": utterances(("4", "2"), name="again-{}-{}"),
    }
    split = {"by": "corpus", "train": "a", "dev": "b", "test": "c"}
    with pytest.raises(TaskError, match=r"found 2 in train and test"):
        divide(corpora, split, kind)
    divided = divide(corpora | {"c": utterances(("4",))}, split, kind)
    assert set(zip(divided["part"], divided["corpus"], strict=True)) == {("train", "a"), ("dev", "b"), ("test", "c")}


def test_a_speaker_to_identify_who_is_not_trained_on_is_refused():
    with pytest.raises(TaskError, match="in train too"):
        divide({"made": utterances()}, BY_SPEAKER, "speaker_identification")
    divided = divide({"made": utterances()}, BY_UTTERANCE, "speaker_identification")
    assert (divided.groupby("speaker")["part"].nunique() == 3).all()


def test_an_utterance_in_two_corpora_is_refused():
    same = utterances(("1",))
    split = {"by": "corpus", "train": "a", "dev": "b", "test": "c"}
    corpora = {"a": same, "b": utterances(("1",), name="dev-{}-{}"), "c": same}
    with pytest.raises(TaskError, match="1-0 in train and test"):
        divide(corpora, split, "speaker_identification")


@pytest.mark.parametrize("by", ["utterance", "corpus"])
def test_several_corpora_are_taken_together(by):
    corpora = {
        "a": utterances(("1", "2")),
        "b": utterances(("3",)).assign(subset="other"),
        "c": utterances(("4", "5")),
        "d": utterances(("6",)),
    }
    together = {"corpus": ["b", "a"], "dev": 1, "test": 2, "seed": 0}
    apart = {"train": ["b", "a"], "dev": "c", "test": ["d"]}
    kind = "speaker_identification" if by == "utterance" else "phone_recognition"
    table = divide(corpora, {"by": by} | (together if by == "utterance" else apart), kind)
    assert set(zip(table["corpus"], table["speaker"], table["subset"], strict=True)) >= {
        ("a", "1", "all"),
        ("a", "2", "all"),
        ("b", "3", "other"),
    }
    if by == "utterance":
        assert len(table) == 12
        assert pd.crosstab(table["speaker"], table["part"])[["train", "dev", "test"]].eq([1, 1, 2]).all(axis=None)
    else:
        parts = table.groupby("part")["speaker"].agg(set).to_dict()
        assert parts == {"train": {"1", "2", "3"}, "dev": {"4", "5"}, "test": {"6"}}


def test_the_official_parts_of_a_corpus_are_kept():
    table = utterances().assign(part=["train", "train", "dev", "test"] * 5)
    divided = divide({"made": table}, {"by": "official", "corpus": "made"}, "speaker_identification")
    assert divided["part"].tolist() == table["part"].tolist()
    assert divided["corpus"].unique().tolist() == ["made"]


def test_speakers_are_numbered_in_the_order_of_their_names(tmp_path):
    data = write(tmp_path, "speaker_identification", utterances(("10", "9", "1")), BY_UTTERANCE)
    assert data.labels == ("1", "10", "9")
    assert data.kind == "speaker_identification"
    assert references(data) == {
        f"{speaker}-{number}": [place] for place, speaker in enumerate(("1", "10", "9")) for number in range(4)
    }


def test_units_are_those_of_the_segments(tmp_path):
    table = utterances()
    segments = segments_of(table)
    halves = [tmp_path / f"{half}.parquet" for half in range(2)]
    for half, file in enumerate(halves):
        files.write_table(file, segments[segments["utterance"].str[-1].astype(int) % 2 == half])
    data = write(tmp_path, "phone_recognition", table, segments=[("all", half) for half in halves])
    assert len(data.labels) == 40
    for place, name in enumerate(table["utterance"]):
        found = [data.labels[unit] for unit in references(data)[name]]
        assert found == ["AH", "T" if place % 2 else "N", "SIL", "IY"]


def test_an_utterance_without_segments_is_refused(tmp_path):
    table = utterances()
    files.write_table(tmp_path / "s.parquet", segments_of(table[1:]))
    with pytest.raises(TaskError, match="found none of 1-0"):
        write(tmp_path, "phone_recognition", table, segments=[("all", tmp_path / "s.parquet")])
    assert not (tmp_path / "task.manifest.json").exists()


def test_f0_is_the_logarithm_of_the_track_and_nan_where_unvoiced(tmp_path):
    table = utterances()
    tracks = tracks_of(table)
    names = list(tracks)
    stores = [
        write_tracks(tmp_path / "0.zarr", {name: tracks[name] for name in names[:7]}),
        write_tracks(tmp_path / "1.zarr", {name: tracks[name] for name in names[7:]} | {"another": (50.0,)}),
    ]
    data = write(tmp_path, "f0_reconstruction", table, frames=stores)
    found = references(data)
    assert found.keys() == set(names)
    assert data.labels == ()
    assert data.table["reference"].iloc[0].dtype == np.float32
    for name, track in tracks.items():
        expected = [math.nan if math.isnan(hertz) else math.log(hertz) for hertz in track]
        np.testing.assert_allclose(found[name], expected, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS_OF_UNSEEN_SPEAKERS)
def test_references_are_those_of_the_utterance_that_the_corpus_kept(tmp_path, kind):
    """An id may stand in a second subset, whose utterance the corpus refused; its store and segments hold it still."""
    table = utterances()
    of_others = table.assign(utterance=table["utterance"].tolist()[::-1])
    for name, own in (("all", table), ("later", of_others)):
        files.write_table(tmp_path / f"{name}.parquet", segments_of(own))
        write_tracks(tmp_path / f"{name}.zarr", tracks_of(own), subset=name)

    def found(folder, names):
        if kind == "f0_reconstruction":
            inputs = {"frames": [tmp_path / f"{name}.zarr" for name in names]}
        else:
            inputs = {"segments": [(name, tmp_path / f"{name}.parquet") for name in names]}
        (tmp_path / folder).mkdir()
        read = references(write(tmp_path / folder, kind, table, **inputs))
        return {name: np.asarray(values).tobytes() for name, values in read.items()}

    assert found("both", ["all", "later"]) == found("one", ["all"])
    with pytest.raises(TaskError, match="second"):
        found("twice", ["all", "all"])


def test_f0_of_bins_and_tracks_that_lack_are_refused(tmp_path):
    table = utterances()
    tracks = tracks_of(table)
    bins = write_tracks(tmp_path / "bins.zarr", dict.fromkeys(tracks, (1.0, -1.0)), pitch="bins")
    with pytest.raises(TaskError, match="expected F0 in Hz, found pitch 'bins'"):
        write(tmp_path, "f0_reconstruction", table, frames=[bins])
    del tracks["3-1"]
    with pytest.raises(TaskError, match=r"found none of 3-1"):
        write(tmp_path, "f0_reconstruction", table, frames=[write_tracks(tmp_path / "f0.zarr", tracks)])


def test_a_lexicon_gives_stressed_units_and_leaves_out_what_it_cannot_pronounce(tmp_path):
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text("A  AH0\nCAT  K AE1 T\nHAT  HH AE1 T\n")
    table = utterances().assign(transcript=[WORDS[place % 2] for place in range(20)])
    table.loc[7, "transcript"] = "the cat"
    data = write(tmp_path, "phone_recognition", table, lexicon=lexicon)
    assert data.labels == ("AE1", "AH0", "HH", "K", "T")
    spoken = {name: "".join(data.labels[unit] for unit in units) for name, units in references(data).items()}
    assert spoken == {
        name: "AH0HHAE1T" if place % 2 else "AH0KAE1T" for place, name in enumerate(table["utterance"]) if place != 7
    }
    assert data.description["left_out"] == 1
    table.loc[8, "transcript"] = "the cat"
    with pytest.raises(TaskError, match=r"found 2 with unknown ones \(THE\)"):
        write(tmp_path, "phone_recognition", table, lexicon=lexicon)


def test_what_is_written_is_read_back_with_its_amounts(tmp_path):
    table = utterances()
    data = write(tmp_path, "speaker_identification", table, BY_UTTERANCE)
    assert list(data.table.columns) == [*COLUMNS, "reference"]
    divided = divide({"made": table}, BY_UTTERANCE, "speaker_identification")
    expected = divided.sort_values("utterance", ignore_index=True)
    pd.testing.assert_frame_equal(data.table[list(COLUMNS)], expected, check_dtype=False)
    assert data.description["left_out"] == 0
    for part in ("train", "dev", "test"):
        rows = expected[expected["part"] == part]
        assert data.part(part)["utterance"].tolist() == rows["utterance"].tolist()
        amounts = data.description["parts"][part]
        assert (amounts["utterances"], amounts["speakers"]) == (len(rows), len(set(rows["speaker"])))
        assert amounts["minutes"] == pytest.approx(sum(rows["n_samples"]) / 16_000 / 60, abs=0.005)


def test_the_same_task_gives_the_same_bytes_whatever_the_order_of_rows(tmp_path):
    written = []
    for place, table in enumerate((utterances(), utterances().sample(frac=1, random_state=0))):
        folder = tmp_path / str(place)
        write(folder, "speaker_identification", table, BY_UTTERANCE)
        written.append([(folder / f"task.{suffix}").read_bytes() for suffix in ("parquet", "manifest.json")])
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda content: content[:-10], "task.parquet should be"),
        (lambda content: content[:100] + bytes([content[100] ^ 1]) + content[101:], "is not what was written"),
        (None, "task.parquet is missing"),
    ],
)
def test_damage_is_found(tmp_path, damage, found):
    write(tmp_path, "speaker_identification", utterances(), BY_UTTERANCE)
    table = Path(tmp_path / "task.parquet")
    content = table.read_bytes()
    table.unlink()
    if damage is not None:
        table.write_bytes(damage(content))
    with pytest.raises(StoreError, match=found):
        read_task_data(tmp_path / "task.manifest.json")
