"""Scanning a small VoxCeleb1 that holds every trouble there can be with it."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from property_neurons.config.corpora import VoxCelebCorpus
from property_neurons.corpus.assemble import assemble
from property_neurons.corpus.check import check_report, describe
from property_neurons.corpus.report import IGNORED, KEPT, SKIPPED
from property_neurons.corpus.scan import scan_subset
from property_neurons.corpus.voxceleb import NOT_LISTED, list_voxceleb, read_meta, read_split
from property_neurons.errors import CorpusError, StoreError
from property_neurons.stores import files

WHOLE = 16_000
META = (
    "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\n"
    "id10001\tA.J._Buckley\tm\tIreland\tdev\n"
    "id10002\tA.R._Rahman\tf\tIndia\ttest\n"
)


class VoxCeleb:
    """A VoxCeleb1 in a folder, made one utterance at a time."""

    def __init__(self, folder, above="wav"):
        self.root = folder / "VoxCeleb1"
        self.above = above
        self.split = folder / "iden_split.txt"
        self.meta = folder / "vox1_meta.csv"
        self.split.write_text("")
        self.meta.write_text(META)
        self.utterance("id10002/1zcIwhmdeo4/00002")

    def audio(self, utterance, n_samples=WHOLE, channels=1, rate=16_000, suffix=".wav", above=None):
        path = self.root / (self.above if above is None else above) / f"{utterance}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = np.random.default_rng(n_samples).uniform(-0.3, 0.3, (n_samples, channels))
        soundfile.write(path, samples, rate)
        return path

    def utterance(self, utterance, *parts, audio=None):
        """An utterance listed once for each of `parts` (in train, if none is given); `audio` False leaves it out."""
        if audio is not False:
            self.audio(utterance, **(audio or {}))
        with self.split.open("a") as stream:
            stream.writelines(f"{part} {utterance}.wav\n" for part in parts or (1,))
        return utterance

    def scan(self, **options):
        listing = list_voxceleb(self.root, self.split, self.meta)
        scan = scan_subset("vox", "voxceleb1", listing, alignments=None, n_shards=1, **options)
        assert scan.segments["utterance"].tolist() == scan.utterances["utterance"].tolist()
        return scan.utterances, scan.report


@pytest.fixture
def vox(tmp_path):
    return VoxCeleb(tmp_path)


@pytest.mark.parametrize("above", ["wav", "", "dev/wav"])
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_sound_utterances(tmp_path, above, suffix):
    vox = VoxCeleb(tmp_path, above)
    vox.utterance("id10002/-x_1zcIwhmd/00001", 3, audio={"suffix": suffix, "n_samples": 500})
    vox.utterance("id10001/1zcIwhmdeo4/00001", 2)
    utterances, report = vox.scan()
    assert report.empty
    assert utterances["utterance"].is_monotonic_increasing
    assert utterances["part"].tolist() == ["dev", "test", "train"]
    assert utterances["gender"].tolist() == ["M", "F", "F"]
    row = utterances.iloc[1].to_dict()
    assert len(row.pop("audio_digest")) == 32
    assert row == {
        "utterance": "id10002/-x_1zcIwhmd/00001",
        "subset": "voxceleb1",
        "speaker": "id10002",
        "chapter": "-x_1zcIwhmd",
        "gender": "F",
        "audio": f"{above}/id10002/-x_1zcIwhmd/00001{suffix}".removeprefix("/"),
        "n_samples": 500,
        "n_labels": 1,
        "transcript": "",
        "shard": "voxceleb1-000",
        "part": "test",
    }


def test_every_trouble_is_found_in_one_scan(vox):
    v = "id10001/video"
    truncated = vox.utterance(f"{v}/truncated")
    path = vox.root / f"wav/{truncated}.wav"
    path.write_bytes(path.read_bytes()[:-400])
    vox.audio(f"{v}/both", suffix=".flac")
    vox.audio(f"{v}/places", above="")
    expected = {
        truncated: ["corrupt_audio"],
        vox.utterance(f"{v}/both"): ["duplicate_utterance"],
        vox.utterance(f"{v}/places"): ["duplicate_utterance"],
        vox.utterance(f"{v}/again", 2, 2): ["duplicate_utterance"],
        vox.utterance(f"{v}/parts", 1, 3): ["duplicate_utterance"],
        vox.utterance(f"{v}/absent", audio=False): ["missing_audio"],
        vox.utterance(f"{v}/stereo", audio={"channels": 2}): ["stereo"],
        vox.utterance(f"{v}/rate", audio={"rate": 8_000}): ["wrong_sample_rate"],
        vox.utterance(f"{v}/empty", audio={"n_samples": 0}): ["too_short"],
        vox.utterance(f"{v}/short", audio={"n_samples": 399}): ["too_short"],
        vox.utterance("id10003/video/00001"): ["unknown_speaker"],
        vox.utterance("id10003/video/00002", 1, 1, audio=False): [
            "duplicate_utterance",
            "missing_audio",
            "unknown_speaker",
        ],
        vox.utterance(f"{v}/sound"): [],
        "id10002/1zcIwhmdeo4/00002": [],
    }
    utterances, report = vox.scan()
    found = {name: sorted(report.loc[report["utterance"] == name, "code"]) for name in expected}
    assert found == expected
    assert set(utterances["utterance"]) == {utterance for utterance, codes in expected.items() if not codes}
    assert set(report["utterance"]) == {utterance for utterance, codes in expected.items() if codes}
    assert report["utterance"].is_monotonic_increasing
    assert set(report["action"]) == {SKIPPED}
    assert report.loc[~report["detail"].str.contains("expected .* found .*; "), "detail"].tolist() == []
    details = report.set_index("utterance")["detail"]
    assert "found 2 (dev, dev)" in details[f"{v}/again"]
    assert "found 2 (train, test)" in details[f"{v}/parts"]

    again = vox.scan(workers=2)
    for table, same in zip(again, (utterances, report), strict=True):
        pd.testing.assert_frame_equal(table, same)


def test_audio_outside_the_split_is_counted_and_not_read(vox):
    for number in range(3):
        vox.audio(f"id10001/video/{number:05d}")
    vox.audio("id10009/video/00001").write_bytes(b"no audio")
    vox.audio("stray", above="")
    utterances, report = vox.scan()
    assert utterances["utterance"].tolist() == ["id10002/1zcIwhmdeo4/00002"]
    (row,) = report.to_dict("records")
    detail = row.pop("detail")
    assert "found 5 other files (wav/id10001/video/00000.wav, " in detail
    assert ", ...)" in detail
    assert row == {
        "corpus": "vox",
        "subset": "voxceleb1",
        "utterance": "",
        "code": NOT_LISTED,
        "action": IGNORED,
    }


def test_the_tables_are_assembled_and_checked_like_those_of_other_corpora(vox, tmp_path):
    vox.utterance("id10001/video/00001", 2)
    vox.utterance("id10001/video/00002", audio=False)
    vox.audio("id10001/video/00003")
    utterances, report = vox.scan()
    files.write_table(tmp_path / "utterances.parquet", utterances)
    files.write_table(tmp_path / "report.tsv", report)
    stored = files.read_table(tmp_path / "utterances.parquet"), files.read_table(tmp_path / "report.tsv")
    joined, all_troubles, _ = assemble("vox", [stored[0]], [stored[1]])
    pd.testing.assert_frame_equal(joined, utterances)
    pd.testing.assert_frame_equal(all_troubles, report)
    summary = check_report(all_troubles, len(joined), "vox", policy="skip", max_skipped_share=0.5, report_path="-")
    assert summary == {
        "corpus": "vox",
        "utterances": 2,
        "skipped": 1,
        "skipped_share": pytest.approx(1 / 3),
        "codes": {"missing_audio": 1},
    }
    assert NOT_LISTED not in describe(summary)
    with pytest.raises(CorpusError, match="found 1 of 3"):
        check_report(all_troubles, len(joined), "vox", policy="fail", max_skipped_share=0, report_path="-")


def test_nothing_usable_gives_empty_tables_of_the_same_form(vox):
    full, _ = vox.scan()
    vox.meta.write_text(META.splitlines()[0])
    empty, report = vox.scan()
    assert empty.empty
    assert (empty.dtypes == full.dtypes).all()
    assert report["code"].tolist() == ["unknown_speaker"]


def test_split(tmp_path):
    path = tmp_path / "iden_split.txt"
    path.write_text("1 a/b/1.wav\n\n3  a/b/2.flac \n2 a/b/1.wav\n")
    assert read_split(path) == {"a/b/1": ["train", "dev"], "a/b/2": ["test"]}
    path.write_text("1 a/b/1.wav\n4 a/b/2.wav\n1 b/3.wav\n\n1 a/b/4\n1,a/b/5.wav\n")
    with pytest.raises(CorpusError, match=r"iden_split.txt: expected .* lines 2, 3, 5, 6; mend"):
        read_split(path)
    path.write_text("\n")
    with pytest.raises(CorpusError, match="found none"):
        read_split(path)
    with pytest.raises(CorpusError, match="no file"):
        read_split(tmp_path / "absent.txt")


def test_meta(tmp_path):
    path = tmp_path / "vox1_meta.csv"
    path.write_text(META + "\n")
    assert read_meta(path) == {"id10001": "M", "id10002": "F"}
    path.write_text(META + "id10003\tX\tmale\tUK\tdev\nid10001\tX\tm\tUK\tdev\n\tX\tm\tUK\tdev\nid10004\n")
    with pytest.raises(CorpusError, match=r"lines 4, 5, 6, 7"):
        read_meta(path)
    for text in ("", META.replace("\t", ",")):
        path.write_text(text)
        with pytest.raises(CorpusError, match="VoxCeleb1 ID and Gender"):
            read_meta(path)
    with pytest.raises(CorpusError, match="no file"):
        read_meta(tmp_path / "absent.csv")


def test_missing_folders_are_named_at_once(vox, tmp_path):
    (tmp_path / "bare").mkdir()
    for root, found in [("absent", "absent: expected a folder"), ("bare", "expected audio")]:
        with pytest.raises(CorpusError, match=found):
            list_voxceleb(tmp_path / root, vox.split, vox.meta)


def test_the_config_section_has_no_pitch_and_the_official_file_names():
    section = VoxCelebCorpus(kind="voxceleb1", root="VoxCeleb1")
    assert (section.split, section.meta) == ("iden_split.txt", "vox1_meta.csv")
    assert section.on_bad_utterance == "fail"
    assert "pitch" not in VoxCelebCorpus.model_fields


def test_links_are_followed_and_hidden_names_are_no_data(vox, tmp_path):
    vox.utterance("id10001/video/00001")
    (vox.root / "wav/id10001").rename(tmp_path / "elsewhere")
    (vox.root / "wav/id10001").symlink_to(tmp_path / "elsewhere")
    (vox.root / "all").symlink_to("wav")
    (vox.root / "wav/id10002/gone").symlink_to(tmp_path / "gone")
    (tmp_path / "elsewhere/video/._00001.wav").write_bytes(b"\x00\x05\x16\x07")
    utterances, report = vox.scan()
    assert utterances["utterance"].tolist() == ["id10001/video/00001", "id10002/1zcIwhmdeo4/00002"]
    assert report[["utterance", "code", "action"]].values.tolist() == [
        ["wav/id10002/gone", "not_read", SKIPPED],
        ["all", "read_once", KEPT],
    ]


@pytest.mark.parametrize("raw", [b"\xef\xbb\xbf", b""])
def test_lists_with_a_mark_and_foreign_line_ends(tmp_path, raw):
    (tmp_path / "meta").write_bytes(raw + META.replace("\n", "\r\n").encode())
    assert read_meta(tmp_path / "meta") == {"id10001": "M", "id10002": "F"}
    (tmp_path / "split").write_bytes(raw + b"1 id10001/a/00001.wav\r\n2 id10001/a/00002.wav\r\n")
    assert read_split(tmp_path / "split") == {"id10001/a/00001": ["train"], "id10001/a/00002": ["dev"]}


@pytest.mark.parametrize("read", [read_meta, read_split])
def test_lists_in_latin_1_are_refused_with_their_line(tmp_path, read):
    (tmp_path / "list").write_bytes((META + "id10003\tJos\u00e9\tm\n").encode("latin-1"))
    with pytest.raises(StoreError, match="list, line 4: expected text in UTF-8"):
        read(tmp_path / "list")
