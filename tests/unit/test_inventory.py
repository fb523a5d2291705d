"""Corpora of other phones than the 39: stores keep the phones, properties take theirs, what cannot says so."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from property_neurons.corpus.frame_labels import frame_labels
from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.phones import PAPER_PHONES, PHONES, Inventory
from property_neurons.counting.properties import make_property
from property_neurons.errors import ConfigError, CorpusError, StoreError
from property_neurons.tasks.make_table import write_task_data
from tests.unit.synthetic_stores import make_corpus, write_frames

# More than a byte of one sign less: the largest label is 126.
MANY = Inventory(tuple(f"p{n}" for n in range(125)), {"even": tuple(f"p{n}" for n in range(0, 125, 2)), "one": ("p1",)})
FEW = Inventory(("s", "a", "i"), {"vowel": ("a", "i"), "unvoiced consonant": ("s",)})


@pytest.fixture
def shard(tmp_path):
    return open_frames(write_frames(tmp_path / "f.zarr", make_corpus(seed=5, n_utterances=9)))


@pytest.mark.parametrize("inventory", [FEW, MANY])
def test_properties_have_the_cells_of_the_corpus_s_phones(shard, inventory):
    label = (np.arange(len(shard.label)) % len(inventory.labels)).astype(np.int8)
    shard = replace(shard, inventory=inventory, label=label)
    single = make_property("single", "label", groups="single").lay_out(iter([shard]))
    assert [cell[1] for cell in single.cells] == list(inventory.labels)
    classes = make_property("class", "label", groups="classes").lay_out([shard])
    assert classes.groups == tuple(inventory.classes)
    assert [cell for cell in classes.cells if cell[0]] == [
        (group, phone) for group, phones in inventory.classes.items() for phone in inventory.phones if phone in phones
    ]
    for name, column in (("duration", "duration"), ("gender", "gender"), ("pitch", "f0")):
        layout = make_property(name, column).lay_out(iter([shard]))
        assert layout.phones == inventory.phones
        assert layout.cell_of.shape == (len(layout.groups), len(inventory.labels))
        for group, label in layout.cells:
            row = layout.cell_of[layout.groups.index(group), inventory.labels.index(label)]
            assert layout.cells[row] == (group, label)
    pitch = make_property("pitch", "f0").lay_out([shard])
    unvoiced = inventory.classes.get("unvoiced consonant", ())
    assert {label for _, label in pitch.cells} == set(inventory.labels) - set(unvoiced)


def test_what_other_phones_have_not_is_refused(shard):
    few = replace(shard, inventory=FEW, label=np.minimum(shard.label, 4))
    with pytest.raises(
        ConfigError, match=r"property phone: .* phones \(s, a, i\), found unknown phones: AA, .*classes"
    ):
        make_property("phone", "label").lay_out([few])
    with pytest.raises(ConfigError, match="found no groups; fill the column `class`"):
        make_property("class", "label", groups="classes").lay_out([replace(few, inventory=replace(FEW, classes={}))])
    with pytest.raises(
        CorpusError, match=r"x: a dictionary knows the 39 ARPABET phones alone, found others \(s, a, i\)"
    ):
        FEW.need_the_paper_s("x", "a dictionary")
    with pytest.raises(CorpusError, match="some of them, or another order"):
        Inventory(PHONES[::-1], {}).need_the_paper_s("x", "a dictionary")


def test_silence_is_the_corpus_s(shard):
    label, _ = frame_labels(np.array([20_000]), np.array([40_000]), np.array([1], np.int8), 3, FEW.silence)
    assert label.tolist() == [3, 1, 3]
    assert replace(shard, inventory=FEW, label=label).of_speech.tolist() == [False, True, False]
    assert (FEW.labels[FEW.silence], FEW.labels[FEW.spoken_noise]) == ("SIL", "SPN")


def test_stores_keep_the_phones(tmp_path):
    corpus = make_corpus(seed=5, n_utterances=2)
    assert open_frames(write_frames(tmp_path / "a.zarr", corpus)).inventory == PAPER_PHONES
    attributes = {"labels": FEW.labels}
    with pytest.raises(StoreError, match="or others with their classes, found s, a, i, SIL, SPN"):
        open_frames(write_frames(tmp_path / "b.zarr", corpus, attributes=attributes))
    attributes["classes"] = FEW.classes
    assert open_frames(write_frames(tmp_path / "c.zarr", corpus, attributes=attributes)).inventory == FEW


def test_phone_recognition_from_alignments_is_of_the_39(tmp_path):
    (tmp_path / "phones.tsv").write_text("label\na\ns\n")
    phones = {"mine": {"set": "file", "path": str(tmp_path / "phones.tsv")}}
    with pytest.raises(CorpusError, match=r"corpus mine: phone recognition without a lexicon .* others \(a, s\)"):
        write_task_data(tmp_path / "t.parquet", pd.DataFrame(), "phone_recognition", phones=phones)
