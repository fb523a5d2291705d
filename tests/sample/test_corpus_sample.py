"""The real LibriSpeech sample: what the scan makes of it, and the published counts from its labels."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from property_neurons.corpus.assemble import assemble
from property_neurons.corpus.audio import model_frames
from property_neurons.corpus.check import check_report
from property_neurons.corpus.frame_labels import frame_labels
from property_neurons.corpus.framewise import FramewiseSource, read_pitch_bins
from property_neurons.corpus.genders import read_gender_json, read_speakers
from property_neurons.corpus.librispeech import list_librispeech
from property_neurons.corpus.phone_tables import ARPABET
from property_neurons.corpus.phones import LABEL_IDS, PHONE_CLASSES
from property_neurons.corpus.scan import scan_subset
from property_neurons.corpus.textgrid_source import TextGridSource
from property_neurons.counting.runs import middle_frames, runs
from property_neurons.errors import CorpusError

pytestmark = pytest.mark.sample


@pytest.fixture(scope="module")
def dev_clean_labels(sample_data) -> FramewiseSource:
    folder = sample_data / "alignments" / "dev-clean"
    return FramewiseSource(folder / "framewise-phones-20ms.json.gz", folder / "phone-labels.json")


@pytest.fixture(scope="module")
def dev_clean_frames(dev_clean_labels) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(label [F], segment [F], frame_offset [U + 1]) of all of dev-clean, from its labels alone."""
    labels, segments, offset, n_segments = [], [], [0], 0
    for utterance in sorted(dev_clean_labels.utterances()):
        alignment = dev_clean_labels.read(utterance)
        label, segment = frame_labels(alignment.starts, alignment.ends, alignment.labels, alignment.n_labels)
        labels.append(label)
        segments.append(segment + n_segments)
        offset.append(offset[-1] + len(label))
        n_segments += len(alignment.labels)
    return np.concatenate(labels), np.concatenate(segments), np.array(offset)


def scan(sample_data: Path, subset: str, source):
    genders = read_speakers(sample_data / "LibriSpeech" / "SPEAKERS.TXT")
    root = sample_data / "LibriSpeech"
    listing = list_librispeech(root, subset, genders, source.utterances())
    return scan_subset("sample", subset, listing, alignments=source, n_shards=4, workers=2)


def test_published_counts(dev_clean_frames):
    """Section 8 of the method: what any implementation must find under the published rule."""
    label, segment, offset = dev_clean_frames
    start, end = runs(label, segment, offset, equal_neighbours="merge", last_run="keep")
    assert (len(offset) - 1, len(label), len(start)) == (2_703, 968_842, 203_686)

    start, end = runs(label, segment, offset, equal_neighbours="merge", last_run="drop")
    sampled = label[middle_frames(start, end)]
    assert len(sampled) == 200_983
    of_phone = np.bincount(sampled, minlength=len(LABEL_IDS))
    of_class = {name: of_phone[[LABEL_IDS[phone] for phone in phones]].sum() for name, phones in PHONE_CLASSES.items()}
    assert of_class == {"vowel": 75_311, "voiced consonant": 74_558, "unvoiced consonant": 42_790}
    assert sum(of_class.values()) == 192_659
    some = {phone: of_phone[LABEL_IDS[phone]] for phone in ["AH", "N", "T", "ZH", "OY"]}
    assert some == {"AH": 19_566, "N": 13_776, "T": 13_185, "ZH": 99, "OY": 209}


def test_frame_labels_are_those_of_the_json(sample_data, dev_clean_labels, dev_clean_frames):
    """Labels -> segments in microseconds -> labels gives every frame of the file back."""
    folder = sample_data / "alignments" / "dev-clean"
    names = json.loads((folder / "phone-labels.json").read_text())
    identities = {number: ARPABET.read(name)[0] for name, (number, _) in names.items()}
    with gzip.open(folder / "framewise-phones-20ms.json.gz") as stream:
        frames = json.load(stream)
    expected = [identities[number] for utterance in sorted(frames) for number in frames[utterance]]
    np.testing.assert_array_equal(dev_clean_frames[0], expected)


def test_dev_clean_lacks_half_of_its_audio_and_nothing_else(sample_data, dev_clean_labels):
    found = scan(sample_data, "dev-clean", dev_clean_labels)
    assert len(found.utterances) == 1_313
    assert found.report["code"].value_counts().to_dict() == {"labels_without_audio": 1_390}
    assert found.utterances.groupby("gender")["speaker"].nunique().to_dict() == {"F": 9, "M": 11}
    assert (found.utterances["transcript"] != "").all()
    fewer = found.utterances["n_labels"] - model_frames(found.utterances["n_samples"])
    assert set(fewer) == {0, 1}
    with pytest.raises(CorpusError, match=r"labels_without_audio: 1390"):
        check_report(found.report, 1_313, "sample", policy="skip", max_skipped_share=0.5, report_path="report.tsv")


@pytest.mark.parametrize(("subset", "utterances", "speakers"), [("test-clean", 517, 40), ("train-clean-100", 107, 4)])
def test_textgrid_subsets_are_whole(sample_data, subset, utterances, speakers):
    found = scan(sample_data, subset, TextGridSource(sample_data / "alignments" / subset))
    assert found.report.empty
    assert (len(found.utterances), found.utterances["speaker"].nunique()) == (utterances, speakers)
    joined, report, _ = assemble("sample", [found.utterances], [found.report])
    summary = check_report(report, len(joined), "sample", policy="fail", max_skipped_share=0.0, report_path="-")
    assert summary["codes"] == {}


def test_genders_agree_with_speakers_txt(sample_data):
    speakers = read_speakers(sample_data / "LibriSpeech" / "SPEAKERS.TXT")
    genders = read_gender_json(sample_data / "alignments" / "dev-clean" / "speaker-gender.json")
    assert len(genders) == 40
    assert list(genders.values()).count("M") == 20
    assert {speaker: speakers[speaker] for speaker in genders} == genders


def test_pitch_bins_are_up_to_21_frames_shorter_than_the_labels(sample_data, dev_clean_labels):
    bins = read_pitch_bins(sample_data / "alignments" / "dev-clean" / "pitch-bins-20ms.json.gz")
    assert bins.keys() == dev_clean_labels.utterances()
    shorter = [dev_clean_labels.read(utterance).n_labels - len(track) for utterance, track in bins.items()]
    assert (min(shorter), max(shorter)) == (0, 21)
