"""Recordings in the layouts that corpora come in, each tree made as it is: MFA, TIMIT, VCTK, Common Voice."""

import json

import numpy as np
import pytest
import soundfile

from property_neurons.config.load import load_config
from property_neurons.corpus.file_patterns import fields_of, filled_in, path_matcher
from property_neurons.corpus.phone_tables import SHIPPED
from property_neurons.corpus.phones import LABELS
from property_neurons.corpus.report import IGNORED
from property_neurons.corpus.scan import scan_subset
from property_neurons.corpus.sources import open_subset
from property_neurons.corpus.speech_folder import NOT_MATCHED
from property_neurons.corpus.timit import read_phn
from property_neurons.errors import ConfigError, CorpusError
from property_neurons.plan import corpora
from tests.unit.own_columns import with_own_columns


def config(tree, /, **section):
    rest = {"models": {"m": {"kind": "shipped", "name": "melhubert-mini"}}, "figures": {"corpus": "demo", "model": "m"}}
    return load_config({"data_root": str(tree), "corpora": {"own": section, "demo": {"kind": "demo"}}} | rest)


def scan(tree, /, **section):
    """The scan of a corpus, and the columns of its tables, as the workflow makes them of its config."""
    loaded = config(tree, **section)
    kind = section["kind"]
    listing, alignments = open_subset(kind, kind, corpora.scan_source(loaded, "own", kind))
    scanned = scan_subset("own", kind, listing, alignments=alignments, n_shards=1)
    if not corpora.tables(loaded, "own"):
        return scanned
    return with_own_columns(scanned, **corpora.table_settings(loaded, "own"))


def recording(path, seconds=1.0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(len(str(path))).uniform(-0.3, 0.3, round(16_000 * seconds))
    soundfile.write(path, samples, 16_000, **options)


def grid(path, *tiers, end=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n{end}\n<exists>\n{len(tiers)}\n'
    for name, *segments in tiers:
        rows = "".join(f'{start}\n{stop}\n"{label}"\n' for start, stop, label in segments)
        text += f'"IntervalTier"\n"{name}"\n0\n{end}\n{len(segments)}\n{rows}'
    path.write_text(text, encoding="utf-8")


def test_montreal_forced_aligner(tmp_path):
    """speaker/recording.wav, TextGrids in a parallel tree, IPA labels, a table of speakers, nothing renamed."""
    for speaker in ("anna", "bo"):
        for name in ("rec 1", "rec-2"):
            recording(tmp_path / f"recordings/{speaker}/{speaker}_{name}.wav")
            words = ("words", (0, 1, "tea"))
            tier = f"{speaker} - phones" if name == "rec 1" else "phones"
            phones = (tier, (0, 0.3, "tʰ"), (0.3, 1, "iː"))
            grid(tmp_path / f"aligned/{speaker}/{speaker}_{name}.TextGrid", words, phones)
    (tmp_path / "speakers.csv").write_text("speaker,gender,accent\nanna,female,Welsh\nbo,male,Scots\n")
    found = scan(
        tmp_path,
        kind="folder",
        root="recordings",
        recordings="{speaker}/{utterance}.wav",
        alignment="aligned/{speaker}/{utterance}.TextGrid",
        phones={"set": "ipa-english-mfa"},
        speakers="speakers.csv",
    )
    assert found.report.empty
    assert found.utterances["utterance"].tolist() == ["anna_rec 1", "anna_rec-2", "bo_rec 1", "bo_rec-2"]
    assert found.utterances[["speaker", "gender", "accent"]].drop_duplicates().values.tolist() == [
        ["anna", "F", "Welsh"],
        ["bo", "M", "Scots"],
    ]
    assert [LABELS[label] for label in found.segments["label"][:2]] == ["T", "IY"]
    assert found.segments["mark"].tolist()[:2] == ["ʰ", "ː"]


@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_timit(tmp_path, case):
    """NIST SPHERE audio, .PHN in samples, 61 labels, sentences of one name by every speaker; capitals or not."""
    for speaker in ("FCJF0", "MDAB0"):
        for sentence in ("SA1", "SX37"):
            place = case(f"TRAIN/DR1/{speaker}/{sentence}")
            recording(tmp_path / f"TIMIT/{place}.{case('wav')}", 0.5, format="NIST", subtype="PCM_16")
            (tmp_path / f"TIMIT/{place}.{case('phn')}").write_text(
                "0 2000 h#\n2000 3000 dcl\n3000 4000 d\n4000 7000 ix\n7000 8000 h#\n"
            )
            (tmp_path / f"TIMIT/{place}.{case('txt')}").write_text("0 8000 She had.\n")
    found = scan(
        tmp_path,
        kind="folder",
        root="TIMIT",
        recordings="{part}/{dialect}/{gender:1}{name}/{sentence}.wav",
        speaker="{gender}{name}",
        utterance="{gender}{name}_{sentence}",
        alignment="TIMIT/{part}/{dialect}/{gender}{name}/{sentence}.PHN",
        phones={"set": "timit"},
    )
    assert found.report.empty
    assert found.utterances["utterance"].tolist() == [
        case(name) for name in ("FCJF0_SA1", "FCJF0_SX37", "MDAB0_SA1", "MDAB0_SX37")
    ]
    assert found.utterances["gender"].tolist() == ["F", "F", "M", "M"]
    assert set(found.utterances["dialect"]) == {case("DR1")}
    first = found.segments[found.segments["utterance"] == case("FCJF0_SA1")]
    assert [LABELS[label] for label in first["label"]] == ["SIL", "SIL", "D", "IH", "SIL"]
    assert first["start_us"].tolist() == [0, 125_000, 187_500, 250_000, 437_500]


def test_vctk(tmp_path):
    """wav48_silence_trimmed/p225/p225_001_mic1.flac, txt/p225/p225_001.txt, a second microphone that is left out."""
    for speaker, number in (("p225", "001"), ("p226", "002")):
        for mic in (1, 2):
            recording(tmp_path / f"VCTK/wav48_silence_trimmed/{speaker}/{speaker}_{number}_mic{mic}.flac")
        (tmp_path / f"VCTK/txt/{speaker}").mkdir(parents=True)
        (tmp_path / f"VCTK/txt/{speaker}/{speaker}_{number}.txt").write_text("Please call\n Stella. \n")
        grid(tmp_path / f"aligned/{speaker}/{speaker}_{number}.TextGrid", ("phones", (0, 1, "AH0")))
    (tmp_path / "VCTK/speaker-info.txt").write_text("ID\tAGE\nxxx\t1\n")
    (tmp_path / "speakers.tsv").write_text("speaker\tgender\tage\taccent\np225\tF\t23\tEnglish\np226\tM\t22\tEnglish\n")
    found = scan(
        tmp_path,
        kind="folder",
        root="VCTK/wav48_silence_trimmed",
        recordings="{speaker}/{utterance}_mic1.flac",
        alignment="aligned/{speaker}/{utterance}.TextGrid",
        transcript="VCTK/txt/{speaker}/{utterance}.txt",
        speakers="speakers.tsv",
    )
    # The other microphone is counted.
    assert found.report[["code", "action"]].values.tolist() == [[NOT_MATCHED, IGNORED]]
    assert "found 2 other files (p225/p225_001_mic2.flac, p226/p226_002_mic2.flac)" in found.report["detail"].iloc[0]
    assert found.utterances["utterance"].tolist() == ["p225_001", "p226_002"]
    assert found.utterances["transcript"].tolist() == ["Please call Stella."] * 2
    assert found.utterances["age"].tolist() == [23.0, 22.0]
    assert found.segments["mark"].tolist() == ["0", "0"]


def test_common_voice(tmp_path):
    """validated.tsv with client_id, path, gender, accents, age as they are, most cells empty; mp3 in clips/."""
    header = "client_id\tpath\tsentence_id\tsentence\tup_votes\tage\tgender\taccents\tlocale\tsegment"
    rows = (
        "ab12\tcommon_voice_en_1.mp3\ts1\tHello.\t2\ttwenties\tmale_masculine\tScottish English\ten\t",
        "cd34\tcommon_voice_en_2.mp3\ts2\tGood bye.\t3\t\t\t\ten\tBenchmark",
    )
    (tmp_path / "cv").mkdir()
    (tmp_path / "cv/validated.tsv").write_text("\n".join([header, *rows]), encoding="utf-8")
    for number in (1, 2):
        recording(tmp_path / f"cv/clips/common_voice_en_{number}.mp3")
        grid(tmp_path / f"aligned/common_voice_en_{number}.TextGrid", ("phones", (0, 1, "AH0")))
    found = scan(
        tmp_path,
        kind="table",
        table="cv/validated.tsv",
        folder="cv/clips",
        columns={"audio": "path", "speaker": "client_id", "transcript": "sentence"},
        alignments={"kind": "textgrid", "path": "aligned"},
    )
    assert found.report.empty
    table = found.utterances
    assert table[["utterance", "speaker", "gender"]].values.tolist() == [
        ["common_voice_en_1", "ab12", "M"],
        ["common_voice_en_2", "cd34", ""],
    ]
    assert table["accents"].isna().tolist() == [False, True]
    assert table["segment"].isna().tolist() == [True, False]
    assert table["up_votes"].tolist() == [2.0, 3.0]


def test_librispeech_without_transcripts_and_genders(tmp_path):
    recording(tmp_path / "L/dev/1/10/1-10-0000.flac")
    grid(tmp_path / "a/1/10/1-10-0000.TextGrid", ("phones", (0, 1, "AH0")))
    section = {"kind": "librispeech", "root": "L", "subsets": ["dev"], "genders": "none"}
    loaded = config(tmp_path, **section, alignments={"kind": "textgrid", "path": "a"})
    assert corpora.scan_inputs(loaded, "own", "dev") == []
    listing, alignments = open_subset("librispeech", "dev", corpora.scan_source(loaded, "own", "dev"))
    found = scan_subset("own", "dev", listing, alignments=alignments, n_shards=1)
    assert found.report.empty
    assert found.utterances[["utterance", "gender", "transcript"]].values.tolist() == [["1-10-0000", "", ""]]


def test_folders_that_cannot_be_read_or_are_reached_twice_are_reported(tmp_path):
    """A speaker behind a link to a disk that is not mounted must not be missing without a word."""
    recording(tmp_path / "r/anna/x.wav")
    (tmp_path / "r/bob").symlink_to(tmp_path / "not-mounted")
    (tmp_path / "r/carl").symlink_to(tmp_path / "r/anna")
    found = scan(tmp_path, kind="folder", root="r", recordings="{speaker}/{utterance}.wav")
    rows = dict(zip(found.report["utterance"], found.report["code"], strict=True))
    assert rows == {"bob": "not_read", "carl": "read_once"}
    assert found.utterances["speaker"].tolist() == ["anna"]


def test_files_in_another_form_of_unicode_or_case_are_found(tmp_path):
    composed, apart = "jos\u00e9", "jose\u0301"
    recording(tmp_path / f"r/{apart}/a.wav")
    grid(tmp_path / f"g/{composed}.TEXTGRID", ("phones", (0, 1, "AH0")))
    (tmp_path / f"{composed}.TXT").write_text("some words")
    section = {"kind": "folder", "root": "r", "recordings": "{speaker}/{utterance}.wav", "transcript": "{speaker}.txt"}
    found = scan(tmp_path, **section, alignment="g/{speaker}.textgrid")
    assert found.report.empty
    assert found.utterances[["speaker", "transcript"]].values.tolist() == [[composed, "some words"]]


def test_what_cannot_be_used_is_reported(tmp_path):
    recording(tmp_path / "r/a/x.wav")
    recording(tmp_path / "r/b/x.wav")
    recording(tmp_path / "r/b/y.wav")
    recording(tmp_path / "r/notes.wav")
    grid(tmp_path / "g/x.TextGrid", ("phones", (0, 1, "AH0")))
    section = {"kind": "folder", "root": "r", "recordings": "{speaker}/{utterance}.wav"}
    found = scan(tmp_path, **section, alignment="g/{utterance}.TextGrid")
    codes = set(zip(found.report["utterance"], found.report["code"], strict=True))
    assert codes == {("x", "duplicate_utterance"), ("y", "missing_alignment"), ("", NOT_MATCHED)}
    assert "found a/x.wav, b/x.wav;" in " ".join(found.report["detail"])
    with pytest.raises(CorpusError, match=r"expected recordings at \{speaker\}\.flac, found 4 files, such as a/x\.wav"):
        scan(tmp_path, **section | {"recordings": "{speaker}.flac", "utterance": "{speaker}"})


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"recordings": "{speaker}/x.wav"}, "`utterance` needs the fields of `recordings` (speaker), found utterance"),
        ({"recordings": "{utterance}.wav"}, "`speaker` needs the fields of `recordings` (utterance), found speaker"),
        ({"recordings": "{speaker}/{utterance.wav"}, "expected fields such as {speaker}"),
        ({"recordings": "{utterance}.wav", "speaker": "list.tsv"}, "a table of speakers is `speakers: list.tsv`"),
    ],
)
def test_patterns_that_cannot_be(tmp_path, section, said):
    with pytest.raises(ConfigError) as error:
        config(tmp_path, kind="folder", root="r", **section)
    assert said in str(error.value)


def test_patterns():
    pattern = "**/{who}/{gender:1}{who}-{n}*.wav"
    assert fields_of(pattern) == ["who", "gender", "n"]
    found = path_matcher(pattern).fullmatch("a/b/Li/FLi-07_x.WAV")
    assert found.groupdict() == {"who": "Li", "gender": "F", "n": "0"}
    assert path_matcher(pattern).fullmatch("Li/FLi-07.wav")
    assert path_matcher(pattern).fullmatch("Li/FLo-07.wav") is None
    assert filled_in("{who}_{n}", {"who": "Li", "n": "7"}) == "Li_7"


@pytest.mark.parametrize("text", ["", "0 5 h#\n5 x d\n", "0 5\n", "\x00", "0 99999999999999999999 h#\n"])
def test_phn_files_that_are_none(tmp_path, text):
    (tmp_path / "a.phn").write_text(text)
    with pytest.raises(CorpusError, match="unreadable_alignment"):
        read_phn(tmp_path / "a.phn", SHIPPED["timit"])


def test_a_table_that_cannot_be_read_does_not_scan_again(tmp_path):
    """What the last scan read of it holds until it is mended."""
    table, speakers = tmp_path / "t.csv", tmp_path / "who.csv"
    table.write_text("audio,speaker\na.wav,anna\n")
    speakers.write_text("speaker,gender\nanna,F\n")
    loaded = config(tmp_path, kind="table", table="t.csv", speakers="who.csv")
    before = corpora.scanned_digest(loaded, "own")
    scanned = tmp_path / "results/corpora/own/subsets/table/tables.manifest.json"
    loaded = loaded.model_copy(update={"results": str(tmp_path / "results")})
    for path in (table, speakers):
        whole = path.read_text()
        path.write_text(f"{whole}x,y,z\n")
        assert corpora.scanned_digest(loaded, "own") is None
        scanned.parent.mkdir(parents=True, exist_ok=True)
        scanned.write_text(json.dumps({"source": {"speakers": str(speakers)}, "scanned": before}))
        assert corpora.scanned_digest(loaded, "own") == before
        assert corpora.scanned_speakers(loaded, "own") == str(speakers)
        path.write_text(whole)
        scanned.unlink()
    assert corpora.scanned_digest(loaded, "own") == before
    # Without genders the scan does not read the table of speakers.
    speakers.write_text("speaker,age\nanna,3\n")
    assert corpora.scanned_tables(loaded, "own") == [str(table)]
    assert corpora.columns(loaded, "own")[0].endswith("/own/columns.parquet")
