"""Scanning a small corpus that holds every trouble there is a code for."""

import os
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile

from property_neurons.corpus.codes import CODES
from property_neurons.corpus.librispeech import list_librispeech
from property_neurons.corpus.phones import LABEL_IDS
from property_neurons.corpus.report import KEPT
from property_neurons.corpus.scan import scan_subset
from property_neurons.corpus.shard_names import shard_names
from property_neurons.corpus.shards import shard_of
from property_neurons.corpus.textgrid_source import TextGridSource
from property_neurons.corpus.transcripts import read_transcripts
from property_neurons.errors import CorpusError, StoreError

GENDERS = {"1": "M", "2": "F"}
WHOLE = 16_000


class Corpus:
    """A corpus in a folder, made one utterance at a time."""

    def __init__(self, folder):
        self.root = folder / "LibriSpeech"
        self.labels = folder / "alignments"
        self.audio(self.root / "sub/1/10/1-10-0000.flac")
        self.align("1-10-0000")

    def audio(self, path, n_samples=WHOLE, channels=1, rate=16_000):
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = np.random.default_rng(n_samples).uniform(-0.3, 0.3, (n_samples, channels))
        soundfile.write(path, samples, rate)
        return path

    def align(self, utterance, segments=((0, 0.25, "HH"), (0.25, 1, "AY1")), end=1.0, text=None):
        path = self.labels.joinpath(*utterance.split("-")[:2], f"{utterance}.TextGrid")
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = "\n".join(f'{start}\n{stop}\n"{label}"' for start, stop, label in segments)
        header = f'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n{end}\n<exists>\n1\n'
        tier = f'"IntervalTier"\n"phones"\n0\n{end}\n{len(segments)}\n{rows}\n'
        path.write_text(header + tier if text is None else text)

    def utterance(self, name, *, audio=None, alignment=None):
        """One utterance of speaker 1, sound but for what `audio` and `alignment` say; False leaves that out."""
        utterance = f"1-10-{name}"
        if audio is not False:
            self.audio(self.root / f"sub/1/10/{utterance}.flac", **(audio or {}))
        if alignment is not False:
            self.align(utterance, **(alignment or {}))
        return utterance

    def transcribe(self, *lines):
        path = self.root / "sub/1/10/1-10.trans.txt"
        path.write_text("".join(f"{line}\n" for line in lines))

    def scan(self, **options):
        return scan(self.root, "sub", **{"labels": self.labels} | options)


def scan(root, subset, labels, genders=GENDERS, n_shards=3, workers=1):
    source = TextGridSource(labels)
    listing = list_librispeech(root, subset, genders, source.utterances())
    return scan_subset("demo", subset, listing, alignments=source, n_shards=n_shards, workers=workers)


@pytest.fixture
def corpus(tmp_path):
    return Corpus(tmp_path)


def codes(scan, utterance):
    return sorted(scan.report.loc[scan.report["utterance"] == utterance, "code"])


def test_a_sound_utterance(corpus):
    corpus.transcribe("1-10-0000 HI  THERE ")
    scan = corpus.scan()
    (row,) = scan.utterances.to_dict("records")
    assert len(row.pop("audio_digest")) == 32
    assert row == {
        "utterance": "1-10-0000",
        "subset": "sub",
        "speaker": "1",
        "chapter": "10",
        "gender": "M",
        "audio": "sub/1/10/1-10-0000.flac",
        "n_samples": WHOLE,
        "n_labels": 50,
        "transcript": "HI  THERE",
        "shard": shard_of("1-10-0000", "sub", 3),
    }
    assert scan.segments[["utterance", "start_us", "end_us", "label"]].values.tolist() == [
        ["1-10-0000", 0, 250_000, LABEL_IDS["HH"]],
        ["1-10-0000", 250_000, 1_000_000, LABEL_IDS["AY"]],
    ]
    assert scan.segments["label"].dtype == np.int8
    assert scan.report.empty


def test_every_trouble_is_found_in_one_scan(corpus):
    truncated = corpus.utterance("truncated")
    path = corpus.root / "sub/1/10/1-10-truncated.flac"
    path.write_bytes(path.read_bytes()[:-400])
    (corpus.root / "sub/2/20").mkdir(parents=True)
    corpus.audio(corpus.root / "sub/2/20/1-10-twice.flac")
    corpus.audio(corpus.root / "sub/1/10/1-10-both.mp3")
    corpus.audio(corpus.root / "sub/9/90/9-90-0000.flac")
    corpus.align("9-90-0000")
    corpus.audio(corpus.root / "sub/8/80/8-80-0000.flac")
    corpus.align("8-80-0000")
    os.mkfifo(corpus.root / "sub/1/10/1-10-pipe.flac")
    folder = corpus.root / "sub/1/10"
    # A regular file that gives an error to whoever reads it.
    (folder / "1-10-disk.flac").symlink_to("/proc/self/mem")
    with (folder / "1-10-huge.flac").open("wb") as file:
        file.truncate(2**31 + 1)
    soundfile.write(folder / "1-10-scale.wav", np.arange(WHOLE, dtype=np.float32), 16_000, subtype="FLOAT")
    soundfile.write(folder / "1-10-aiff.wav", np.linspace(0, 0.5, WHOLE), 16_000, format="AIFF")
    soundfile.write(folder / "1-10-zeros.flac", np.zeros(WHOLE), 16_000)
    sphere = folder / "1-10-sphere.wav"
    soundfile.write(sphere, np.linspace(0, 0.5, WHOLE), 16_000, format="NIST")
    sphere.write_bytes(sphere.read_bytes()[:16_000])
    stream = folder / "1-10-stream.wav"
    soundfile.write(stream, np.linspace(0, 0.5, WHOLE), 16_000)
    stream.write_bytes(stream.read_bytes().replace(b"data" + (2 * WHOLE).to_bytes(4, "little"), b"data" + b"\xff" * 4))
    absent = corpus.utterance("absent", audio=False, alignment=False)
    corpus.transcribe("1-10-0000 HI", f"{absent} HI", "1-10-nolabels HI")
    expected = {
        truncated: ["corrupt_audio"],
        absent: ["missing_audio"],
        "8-80-0000": ["unknown_speaker"],
        corpus.utterance("pipe", audio=False): ["labels_without_audio"],
        corpus.utterance("disk", audio=False): ["unreadable_audio"],
        corpus.utterance("huge", audio=False): ["too_long"],
        corpus.utterance("scale", audio=False): ["impossible_samples"],
        corpus.utterance("aiff", audio=False): ["unsupported_container"],
        corpus.utterance("zeros", audio=False): ["silent_audio"],
        corpus.utterance("sphere", audio=False): ["corrupt_audio"],
        corpus.utterance("stream", audio=False): ["unknown_length"],
        corpus.utterance("twice"): ["duplicate_utterance"],
        corpus.utterance("both"): ["duplicate_utterance"],
        corpus.utterance("noaudio", audio=False): ["labels_without_audio"],
        corpus.utterance("nolabels", alignment=False): ["missing_alignment"],
        corpus.utterance("stereo", audio={"channels": 2}): ["stereo"],
        corpus.utterance("rate", audio={"rate": 8_000}): ["wrong_sample_rate"],
        corpus.utterance("empty", audio={"n_samples": 0}): ["too_short"],
        corpus.utterance("short", audio={"n_samples": 399}): ["too_short"],
        corpus.utterance("late", alignment={"end": 1.011}): ["alignment_longer_than_audio"],
        corpus.utterance("later", alignment={"end": 2}): ["alignment_longer_than_audio", "frames_labels_mismatch"],
        corpus.utterance("early", alignment={"segments": [(0, 0.9, "AA")], "end": 0.94}): ["frames_labels_mismatch"],
        corpus.utterance("nolength", alignment={"segments": [(0, 1, "S"), (1, 1, "T")]}): ["segment_not_positive"],
        corpus.utterance("backwards", alignment={"segments": [(0, 1, "S"), (1, 0.9, "T")]}): ["segment_not_positive"],
        corpus.utterance("overlap", alignment={"segments": [(0, 1, "S"), (0.9, 1, "T")]}): ["segments_overlap"],
        corpus.utterance("silent", alignment={"segments": [(0, 1, "")]}): ["empty_alignment"],
        corpus.utterance("label", alignment={"segments": [(0, 1, "QX")]}): ["unknown_phone"],
        corpus.utterance("damaged", alignment={"text": "File"}): ["unreadable_alignment"],
        corpus.utterance(
            "many",
            audio={"channels": 2, "rate": 44_100},
            alignment={"segments": [(0, 0.5, "S"), (0.4, 0.4, "QX"), (0.4, 0.6, "T")]},
        ): ["segment_not_positive", "segments_overlap", "stereo", "unknown_phone", "wrong_sample_rate"],
        "1-10-0000": [],
        corpus.utterance("rounded", alignment={"end": 1.01}): [],
        corpus.utterance("uncovered", alignment={"segments": [(0.3, 0.4, "AA")], "end": 0.96}): [],
    }
    corpus.audio(corpus.root / "sub/1/10/1-10-\x1b[2J.flac")
    (corpus.root / "sub/9/90").rename(os.fsdecode(os.fsencode(corpus.root / "sub/9") + b"/\xff"))
    (corpus.root / "sub/gone").symlink_to("/nowhere")
    (corpus.root / "sub/again").symlink_to("1")
    expected["9-90-0000"] = ["unusable_name"]
    expected["1-10-\\x1b[2J"] = ["unusable_name"]
    expected["gone"] = ["not_read"]
    scan = corpus.scan()
    kept = scan.report[scan.report["action"] == KEPT]
    assert kept[["utterance", "code"]].values.tolist() == [["again", "read_once"]]
    scan = replace(scan, report=scan.report.drop(kept.index))
    assert {utterance: codes(scan, utterance) for utterance in expected} == expected
    assert set(scan.utterances["utterance"]) == {utterance for utterance, found in expected.items() if not found}
    assert set(scan.report["utterance"]) == {utterance for utterance, found in expected.items() if found}
    assert set(scan.segments["utterance"]) == set(scan.utterances["utterance"])
    # What a table can lack, and what is converted: `test_speech_table`, `test_converted_audio`.
    elsewhere = {"read_once", "contradiction", "missing_value", "resampled", "channels_mixed"}
    assert set(scan.report["code"]) | elsewhere == set(CODES)
    assert set(scan.report["action"]) == {"skipped"}
    assert scan.report.loc[~scan.report["detail"].str.contains("expected .* found .*; "), "detail"].tolist() == []

    again = corpus.scan(workers=2)
    again = replace(again, report=again.report.drop(kept.index))
    for name in ["utterances", "segments", "report"]:
        pd.testing.assert_frame_equal(getattr(again, name), getattr(scan, name))


def test_a_second_transcript_of_an_id_is_a_duplicate(corpus):
    corpus.transcribe("1-10-0000 HI", "1-10-0000 HO")
    assert codes(corpus.scan(), "1-10-0000") == ["duplicate_utterance"]


def test_segments_are_sorted_by_shard(corpus):
    for number in range(1, 12):
        corpus.utterance(f"{number:04d}")
    scan = corpus.scan()
    assert scan.segments["shard"].is_monotonic_increasing
    assert scan.utterances["utterance"].is_monotonic_increasing
    assert set(scan.utterances["shard"]) <= set(shard_names("sub", 3))
    for _, rows in scan.segments.groupby("shard"):
        assert rows["utterance"].is_monotonic_increasing
    for _, rows in scan.segments.groupby("utterance"):
        assert rows["start_us"].is_monotonic_increasing


def test_nothing_usable_gives_empty_tables_of_the_same_form(corpus):
    full, empty = corpus.scan(), corpus.scan(genders={})
    assert len(empty.utterances) == len(empty.segments) == 0
    assert (empty.utterances.dtypes == full.utterances.dtypes).all()
    assert (empty.segments.dtypes == full.segments.dtypes).all()


def test_missing_folders_are_named_at_once(corpus, tmp_path):
    (corpus.root / "bare").mkdir()
    for root, subset, found in [
        (tmp_path / "absent", "sub", "absent: expected a folder"),
        (corpus.root, "absent", "absent: expected a folder"),
        (corpus.root, "bare", "expected audio"),
    ]:
        with pytest.raises(CorpusError, match=found):
            scan(root, subset, corpus.labels)


def test_transcripts(corpus):
    corpus.transcribe("1-10-0000 IT'S ONE", "", "1-10-0001")
    assert read_transcripts(corpus.root) == {"1-10-0000": ["IT'S ONE"], "1-10-0001": [""]}


@pytest.mark.parametrize(
    "raw", [b"1-10-0000\tHI YOU\r\n", b"\xef\xbb\xbf1-10-0000 HI YOU", b"  1-10-0000  HI YOU\n\x0b"]
)
def test_tabs_marks_and_foreign_line_ends_are_no_part_of_a_transcript(corpus, raw):
    (corpus.root / "sub/1/10/1-10.trans.txt").write_bytes(raw)
    scan = corpus.scan()
    assert scan.utterances["transcript"].tolist() == ["HI YOU"]
    assert scan.report.empty


@pytest.mark.parametrize("raw", ["1-10-0000 JOSÉ\n".encode("latin-1"), "1-10-0000 JOSE\n".encode("utf-16-le")])
def test_transcripts_that_are_not_utf_8_are_named_with_their_line(corpus, raw):
    (corpus.root / "sub/1/10/1-10.trans.txt").write_bytes(raw)
    with pytest.raises(StoreError, match=r"1-10\.trans\.txt, line 1: expected text in UTF-8"):
        corpus.scan()


def test_hidden_names_and_folders_named_like_files_are_no_data(corpus):
    folder = corpus.root / "sub/1/10"
    for name in ["._1-10-0000.flac", "._1-10.trans.txt", ".ipynb_checkpoints/1-10-0000.flac"]:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"\x00\x05\x16\x07")
    labels = corpus.labels / "1/10"
    (labels / "._1-10-0000.TextGrid").write_bytes(b"\x00\x05\x16\x07")
    for folder_named_so in (folder / "1-10-0001.flac", folder / "x.trans.txt", labels / "1-10-0001.TextGrid"):
        folder_named_so.mkdir()
    scan = corpus.scan()
    assert scan.utterances["utterance"].tolist() == ["1-10-0000"]
    assert scan.report.empty


def test_linked_folders_and_files_are_read(corpus, tmp_path):
    """Two of four speakers on another disk, their TextGrids too, and a corpus whose files are all links."""
    for speaker in ("2", "3", "4"):
        corpus.audio(corpus.root / f"sub/{speaker}/20/{speaker}-20-0000.flac")
        corpus.align(f"{speaker}-20-0000")
    (corpus.root / "sub/2/20/2-20.trans.txt").write_text("2-20-0000 HI")
    for tree in (corpus.root / "sub", corpus.labels):
        for speaker in ("2", "3"):
            away = tmp_path / "elsewhere" / tree.name / speaker
            away.parent.mkdir(parents=True, exist_ok=True)
            (tree / speaker).rename(away)
            (tree / speaker).symlink_to(away)
    store = tmp_path / "objects/ab12"
    store.parent.mkdir()
    (corpus.root / "sub/4/20/4-20-0000.flac").rename(store)
    (corpus.root / "sub/4/20/4-20-0000.flac").symlink_to(store)
    scan = corpus.scan(genders=dict.fromkeys("1234", "F"))
    assert scan.utterances["speaker"].tolist() == ["1", "2", "3", "4"]
    assert scan.utterances["audio"].tolist()[1] == "sub/2/20/2-20-0000.flac"
    assert scan.utterances["transcript"].tolist() == ["", "HI", "", ""]
    assert scan.report.empty


def test_a_link_back_is_followed_once_and_said(corpus):
    """To the corpus itself, which would bring in its other subsets too, and to a folder that has been read."""
    corpus.transcribe("1-10-0000 HI")
    corpus.audio(corpus.root / "other/1/10/1-10-0009.flac")
    for name, target in [
        ("up", ".."),
        ("1/10/loop", ".."),
        ("A", "1"),
        ("1/10/self", "self"),
        ("1-10.trans.txt", "1/10"),
    ]:
        (corpus.root / "sub" / name).symlink_to(target)
    (corpus.root / "sub/1/copy").mkdir()
    (corpus.root / "sub/1/copy/1-10-0000.flac").symlink_to("../10/1-10-0000.flac")
    (corpus.labels / "loop").symlink_to(corpus.labels)
    scan = corpus.scan()
    assert scan.utterances[["utterance", "transcript"]].values.tolist() == [["1-10-0000", "HI"]]
    rows = scan.report[["utterance", "code", "action"]].values.tolist()
    assert rows[0] == ["1/10/self", "not_read", "skipped"]
    assert sorted(rows[1:]) == [
        [name, "read_once", "kept"] for name in ["1-10.trans.txt", "1/10/loop", "1/copy/1-10-0000.flac", "A", "up"]
    ]


def test_links_that_lead_nowhere_and_closed_folders_are_reported(corpus, tmp_path, monkeypatch):
    (corpus.root / "sub/2").symlink_to(tmp_path / "unmounted/2")
    (corpus.labels / "2").symlink_to(tmp_path / "unmounted/labels")
    (corpus.root / "sub/1/10/1-10-0001.flac").symlink_to(tmp_path / "gone.flac")
    corpus.align("1-10-0001")
    (corpus.root / "sub/closed").mkdir()
    scandir = os.scandir

    def refuse(folder):
        if str(folder).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    report = corpus.scan().report
    assert report[["utterance", "code"]].values.tolist() == [
        ["1-10-0001", "missing_audio"],
        ["2", "not_read"],
        ["closed", "not_read"],
        ["2", "not_read"],
    ]
    assert set(report["action"]) == {"skipped"}
    assert "unmounted/2, where nothing is" in report["detail"][1]
    assert "Permission denied" in report["detail"][2]


def test_a_subset_of_dead_links_says_so(corpus, tmp_path):
    shutil.rmtree(corpus.root / "sub")
    (corpus.root / "sub").mkdir()
    (corpus.root / "sub/1").symlink_to(tmp_path / "unmounted")
    with pytest.raises(CorpusError, match=r"found none, but 1: .*unmounted, where nothing is"):
        corpus.scan()


def test_names_are_compared_composed(corpus):
    """A Mac's file names (NFD) beside transcripts, TextGrids and speakers written elsewhere (NFC)."""
    name = "\u00e9-10-0000"
    corpus.audio(corpus.root / "sub/1/10/e\u0301-10-0000.flac")
    corpus.align(name)
    corpus.transcribe(f"{name} HI")
    scan = corpus.scan(genders=GENDERS | {"\u00e9": "F"})
    assert scan.utterances["utterance"].tolist() == ["1-10-0000", name]
    assert scan.utterances["transcript"].tolist() == ["", "HI"]
    corpus.audio(corpus.root / f"sub/1/10/{name}.flac", n_samples=WHOLE - 1)
    assert codes(corpus.scan(genders=GENDERS | {"\u00e9": "F"}), name) == ["duplicate_utterance"]


def test_where_the_corpus_lies_does_not_matter(tmp_path):
    """Only what goes into tables must be free of control characters: names below the corpus's own folder."""
    folder = tmp_path / "My\u00a0Speech\n"
    folder.mkdir()
    assert Corpus(folder).scan().report.empty
