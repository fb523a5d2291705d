"""Manifests of lhotse 1.33.0, lines as `RecordingSet.to_file` and `SupervisionSet.to_file` wrote them."""

import gzip
import json

import pandas as pd
import pytest
from test_config import MINIMAL

from property_neurons import plan
from property_neurons.config.load import load_config
from property_neurons.corpus.alignments import UnusableAlignment
from property_neurons.corpus.lhotse_manifests import LhotseAlignments, read_manifests
from property_neurons.corpus.phone_tables import ARPABET
from property_neurons.corpus.phones import LABELS
from property_neurons.corpus.sources import open_subset
from property_neurons.corpus.table_columns import table_columns
from property_neurons.errors import ConfigError, CorpusError, StoreError

RECORDING = (
    '{"id": "anna-rec", "sources": [{"type": "file", "channels": [0], "source": "anna_0.wav"}], "sampling_rate": '
    '16000, "num_samples": 16000, "duration": 1.0, "channel_ids": [0]}'
)
SUPERVISION = (
    '{"id": "anna_0", "recording_id": "anna-rec", "start": 0, "duration": 1.0, "channel": 0, "text": "a nigh", '
    '"language": "English", "speaker": "anna", "gender": "F", "custom": {"accent": "Welsh", "age": 34, "nested": '
    '{"x": 1}}, "alignment": {"phone": [["AH0", 0.1, 0.2, null], ["N", 0.3, 0.25, 0.9], ["AY1", 0.55, 0.3, null]], '
    '"word": [["a", 0.1, 0.2, null], ["nigh", 0.3, 0.55, null]]}}'
)


def changed(line, **fields):
    return json.dumps({key: value for key, value in {**json.loads(line), **fields}.items() if value is not ...})


BO = [
    changed(RECORDING, id="bo-rec", sources=[{"type": "file", "channels": [0], "source": "bo_0.wav"}]),
    changed(
        SUPERVISION, id="bo_0", recording_id="bo-rec", speaker="bo", gender=..., custom=..., alignment=..., text=None
    ),
]


TWO = [{"type": "file", "channels": [0, 1], "source": "anna_0.wav"}]


def write(folder, recordings, supervisions):
    (folder / "recordings.jsonl").write_text("\n".join(recordings) + "\n\n", encoding="utf-8")
    (folder / "supervisions.jsonl.gz").write_bytes(gzip.compress("\n".join(supervisions).encode()))
    return folder / "supervisions.jsonl.gz", folder / "recordings.jsonl"


def test_supervisions_are_a_table_of_utterances(tmp_path):
    supervisions, recordings = write(tmp_path, [RECORDING, BO[0]], [SUPERVISION, BO[1]])
    corpus = {"kind": "table", "table": "supervisions.jsonl.gz", "manifest": "recordings.jsonl"}
    config = load_config(
        MINIMAL | {"data_root": str(tmp_path), "corpora": MINIMAL["corpora"] | {"mine": corpus | {"tier": "phones"}}}
    )
    assert set(plan.corpora.scanned_tables(config, "mine")) == {str(supervisions), str(recordings)}
    listing, source = open_subset("table", "table", plan.corpora.scan_source(config, "mine", "table"))
    anna, bo = listing.utterances
    assert (anna.utterance, anna.audio, anna.speaker, anna.gender) == ("anna_0", ("anna_0.wav",), "anna", "F")
    assert (anna.transcript, bo.speaker, bo.gender, bo.transcript) == ("a nigh", "bo", "", "")
    listed = pd.DataFrame(
        [[one.utterance, "", one.speaker, one.gender] for one in (anna, bo)],
        columns=["utterance", "subset", "speaker", "gender"],
    )
    found = table_columns("mine", listed, **plan.corpora.table_settings(config, "mine")).columns
    assert found[["accent", "age", "language"]].values.tolist()[0] == ["Welsh", 34.0, "English"]
    assert found.loc[1, ["accent", "age"]].isna().all()
    assert not anna.troubles + bo.troubles
    assert source.utterances() == {"anna_0"}
    alignment = source.read("anna_0")
    assert alignment.starts.tolist() == [100_000, 300_000, 550_000]
    assert alignment.ends.tolist() == [300_000, 550_000, 850_000]
    assert [LABELS[label] for label in alignment.labels] == ["AH", "N", "AY"]
    assert (alignment.marks, alignment.end) == (("0", "", "1"), 1_000_000)


def test_custom_fields_are_no_ids_and_no_paths(tmp_path):
    custom = {"audio": "other.wav", "utterance": 7, "alignment": "a.TextGrid", "note": "one\u2028two"}
    supervision = json.dumps(json.loads(SUPERVISION) | {"custom": custom}, ensure_ascii=False)
    rows = read_manifests(*write(tmp_path, [RECORDING], [supervision])).rows
    assert rows[["utterance", "audio"]].values.tolist() == [["anna_0", "anna_0.wav"]]
    assert "alignment" not in rows
    assert rows["note"].tolist() == ["one\u2028two"]


def test_speech_without_alignments_has_none(tmp_path):
    supervisions, recordings = write(tmp_path, [BO[0]], [BO[1]])
    settings = {"columns": {}, "speakers": None, "per_speaker": [], "alignments": None, "phones": {}}
    listing, source = open_subset(
        "table", "table", settings | {"root": tmp_path, "table": supervisions, "manifest": recordings}
    )
    assert (len(listing.utterances), source) == (1, None)


@pytest.mark.parametrize(
    ("recording", "supervision", "sentence"),
    [
        ("", SUPERVISION, "found an empty file"),
        ("[1]", SUPERVISION, "line 1: .* found a list"),
        ("{", SUPERVISION, "line 1: .* found what is no JSON"),
        (RECORDING, changed(SUPERVISION, start=...), "found no start"),
        (RECORDING, changed(SUPERVISION, duration=float("nan")), "found duration: nan"),
        (RECORDING, changed(SUPERVISION, id=3), "found id: 3"),
        (RECORDING, changed(SUPERVISION, alignment=[1]), r"found alignment: \[1\]"),
        (RECORDING, changed(SUPERVISION, recording_id="other"), "expected a recording of .* found 'other'"),
        (RECORDING, changed(SUPERVISION, start=0.5, duration=0.5), r"1 that are parts of one \(anna_0\); cut"),
        (RECORDING, changed(SUPERVISION, duration=0.5), "parts of one"),
        (changed(RECORDING, sources=[{"type": "url", "source": "https://x"}]), SUPERVISION, "found another source"),
        (changed(RECORDING, sources=[1, 2]), SUPERVISION, "found another source"),
        (f"{RECORDING}\n{RECORDING}", SUPERVISION, "line 2: expected each recording once, found 'anna-rec' again"),
        (changed(RECORDING, transforms=[{"name": "Speed"}]), SUPERVISION, "found transforms"),
        (changed(RECORDING, sources=TWO), SUPERVISION, r"all channels .* 1 of some alone \(anna_0\); save one file"),
        (changed(RECORDING, sources=TWO), changed(SUPERVISION, channel=[1]), "all channels .* 1 of some alone"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path, recording, supervision, sentence):
    with pytest.raises(CorpusError, match=sentence):
        read_manifests(*write(tmp_path, [recording], [supervision]))


@pytest.mark.parametrize("channel", [[0, 1], ...])
def test_a_supervision_of_all_channels_is_read(tmp_path, channel):
    two = changed(RECORDING, sources=TWO), changed(SUPERVISION, channel=channel)
    assert read_manifests(*write(tmp_path, two[:1], two[1:])).rows["utterance"].tolist() == ["anna_0"]


def test_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(StoreError, match="recordings: expected a file, found nothing"):
        read_manifests(tmp_path / "supervisions", tmp_path / "recordings")


def test_the_kind_of_alignment_is_there(tmp_path):
    manifests = read_manifests(*write(tmp_path, [RECORDING], [SUPERVISION]))
    assert LhotseAlignments(manifests, ARPABET, "phone").utterances() == {"anna_0"}
    with pytest.raises(CorpusError, match=r"`tier`: expected .* \(phone, word\), found 'syllable'"):
        LhotseAlignments(manifests, ARPABET, "syllable")


def test_a_phone_before_the_audio_is_a_trouble(tmp_path):
    phones = [["AH0", -0.5, 0.55], ["T", 0.05, 0.2]]
    manifests = read_manifests(*write(tmp_path, [RECORDING], [changed(SUPERVISION, alignment={"phone": phones})]))
    with pytest.raises(UnusableAlignment, match=r"segment_not_positive: .* from 0 s on, .* 'AH0' -0\.5-0\.05 s"):
        LhotseAlignments(manifests, ARPABET).read("anna_0")


@pytest.mark.parametrize("items", [[["AH0", 0.1]], [["AH0", None, 0.1]], [3], [["AH0", "x", 1]]])
def test_alignments_of_another_form_are_troubles_of_their_utterance(tmp_path, items):
    manifests = read_manifests(*write(tmp_path, [RECORDING], [changed(SUPERVISION, alignment={"phone": items})]))
    with pytest.raises(UnusableAlignment, match="unreadable_alignment"):
        LhotseAlignments(manifests, ARPABET).read("anna_0")


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"table": "s.jsonl.gz"}, "`manifest` .* goes with a `table` of supervisions"),
        ({"table": "s.tsv", "manifest": "r.jsonl"}, "`manifest` .* goes with a `table` of supervisions"),
        ({"table": "s.jsonl", "manifest": "r.jsonl", "columns": {"audio": "path"}}, "leave it out"),
    ],
)
def test_what_does_not_go_together_is_refused(section, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load_config(MINIMAL | {"corpora": MINIMAL["corpora"] | {"mine": {"kind": "table"} | section}})
