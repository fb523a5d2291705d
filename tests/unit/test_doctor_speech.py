"""What the doctor sees of a corpus's files, and of what an earlier run made of them."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
from doctor_inputs import TEXTGRIDS, libri_speech

from property_neurons.config.load import load_config
from property_neurons.corpus.phones import LABEL_IDS, LABELS
from property_neurons.corpus.report import Trouble, report_table
from property_neurons.doctor.cell_counts import cell_counts
from property_neurons.doctor.earlier_runs import rare_cell_findings, report_findings
from property_neurons.doctor.needs import default_needs
from property_neurons.doctor.samples import evenly, sampled_files
from property_neurons.doctor.speech import speech_of
from property_neurons.doctor.speech_files import speech_file_findings
from property_neurons.stores.files import write_table


def config_of(tmp_path, **corpus):
    libri = {"kind": "librispeech", "root": "LibriSpeech", "subsets": {"a": {"shards": 2}}, "alignments": TEXTGRIDS}
    return load_config(
        {
            "data_root": str(tmp_path),
            "results": str(tmp_path / "results"),
            "corpora": {"libri": libri | corpus},
            "models": {"m": {"kind": "shipped", "name": "melhubert-mini"}},
            "figures": {"corpus": "libri", "model": "m"},
        }
    )


def found(tmp_path, **corpus):
    config = config_of(tmp_path, **corpus)
    return list(speech_file_findings(config, default_needs(config)))


@pytest.fixture
def files(tmp_path):
    """Audio and TextGrid of the one utterance."""
    return libri_speech(tmp_path)


def test_nothing_is_found_in_a_sound_corpus(tmp_path, files):
    assert found(tmp_path) == []


def rewrite(audio, samples=16_000, rate=16_000, channels=1):
    soundfile.write(audio, np.random.default_rng(0).uniform(-0.3, 0.3, (samples, channels)), rate)


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda audio: rewrite(audio, rate=8000), "wrong_sample_rate"),
        (lambda audio: rewrite(audio, channels=2), "stereo"),
        (lambda audio: rewrite(audio, samples=10), "too_short"),
        (lambda audio: audio.write_bytes(audio.read_bytes()[:-5000]), "corrupt_audio"),
    ],
)
def test_sampled_audio_is_decoded_as_a_scan_does(tmp_path, files, damage, code):
    damage(files[0])
    (finding,) = found(tmp_path)
    assert (finding.about, finding.fatal) == ("corpora.libri.subsets.a", True)
    assert f"1 with {code} (" in finding.found
    assert str(files[0]) in finding.found


def test_what_can_be_skipped_is_only_warned_of(tmp_path, files):
    other, _ = libri_speech(tmp_path, number="0002")
    rewrite(other, rate=8000)
    assert found(tmp_path)[0].fatal
    (finding,) = found(tmp_path, on_bad_utterance="skip", max_skipped_share=0.5)
    assert finding.expected.startswith("2 sampled recordings")
    assert not finding.fatal
    rewrite(files[0], rate=8000)
    # Nothing would be left.
    assert found(tmp_path, on_bad_utterance="skip", max_skipped_share=0.5)[0].fatal


def test_sampled_textgrids_are_parsed(tmp_path, files):
    files[1].write_text(files[1].read_text().replace("AY1", "a\x1b[2J"))
    (finding,) = found(tmp_path)
    assert finding.about == "corpora.libri.alignments.path"
    assert "1 with unknown_phone" in finding.found
    assert "\x1b" not in str(finding)
    files[1].write_bytes(b"")
    assert "1 with unreadable_alignment" in found(tmp_path)[0].found


def test_sampled_transcripts_are_read_and_their_words_looked_at_where_they_are_aligned(tmp_path, files):
    transcript = files[0].with_name("1-2.trans.txt")
    transcript.write_text("1-2-0001 A DOOR [noise] CLOSES\n")
    assert found(tmp_path) == []
    (finding,) = found(tmp_path, alignments={"kind": "pocketsphinx"})
    assert "others in 1, such as 1-2-0001" in finding.found
    assert "[noise]" in finding.found
    transcript.write_bytes("1-2-0001 TÜR\n".encode("latin-1"))
    (finding,) = found(tmp_path)
    assert finding.found == f"{transcript}, line 1: the byte 0xdc"


def test_pitch_bins_are_read(tmp_path, files):
    pitch = {"method": "bins", "path": "bins.json"}
    (tmp_path / "bins.json").write_text(json.dumps({"1-2-0001": [0, 1, 7]}))
    (finding,) = found(tmp_path, pitch=pitch)
    assert (finding.about, finding.fatal) == ("corpora.libri.pitch.path", True)
    (tmp_path / "bins.json").write_text(json.dumps({"1-2-0001": [0, 1, -1]}))
    assert found(tmp_path, pitch=pitch) == []


def test_frame_labels_are_read(tmp_path, files):
    labels = {"kind": "framewise", "path": "phones.json", "labels": "ids.json"}
    (tmp_path / "ids.json").write_text(json.dumps({"": [0, 1], "AH": [1, 1]}))
    (tmp_path / "phones.json").write_text(json.dumps({"1-2-0001": [0, 1, 7]}))
    (finding,) = found(tmp_path, alignments=labels)
    assert "1 with unknown_phone" in finding.found
    assert "id 7" in finding.found
    (tmp_path / "ids.json").write_text("[")
    (finding,) = found(tmp_path, alignments=labels)
    assert str(tmp_path / "ids.json") in finding.found


@pytest.mark.parametrize(
    ("speakers", "said"),
    [
        ("1 | X | a | 1 | Somebody", "lines? "),
        ("1; M", "lines? "),
    ],
)
def test_genders_are_parsed(tmp_path, files, speakers, said):
    (tmp_path / "LibriSpeech/SPEAKERS.TXT").write_text(f"2 | M | a | 1 | Other\n{speakers}\n")
    finding = found(tmp_path)[0]
    assert (finding.about, finding.fatal) == ("corpora.libri.root", True)
    assert str(tmp_path / "LibriSpeech/SPEAKERS.TXT") in finding.found


def test_speakers_without_a_gender(tmp_path, files):
    for speaker in ("2", "3"):
        libri_speech(tmp_path, speaker=speaker)
    (finding,) = found(tmp_path)
    assert (finding.expected.split(" below")[0], finding.found) == (
        "the gender of each of 3 speakers",
        "none for 2: 2, 3",
    )
    (tmp_path / "genders.json").write_text(json.dumps({"1": "F", "2": "M", "3": "M"}))
    assert found(tmp_path, genders="genders.json") == []
    (tmp_path / "genders.json").write_text(json.dumps({"1": "F", "2": "M", "3": "diverse"}))
    assert found(tmp_path, genders="genders.json")[0].about == "corpora.libri.genders"


def test_files_are_sampled_from_all_over_and_the_same_each_time(tmp_path):
    for folder in range(30):
        place = tmp_path / f"f{folder:02d}/x"
        place.mkdir(parents=True)
        for file in range(3):
            (place / f"{file}.flac").touch()
        (place / "._0.flac").touch()
        (place / "notes.txt").touch()
    sampled = sampled_files(tmp_path, [".flac"], 10)
    assert len(sampled) == 10
    assert len({path.parts[-3] for path in sampled}) == 10
    assert sampled == sampled_files(tmp_path, [".flac"], 10)
    assert len(sampled_files(tmp_path, [".flac"], 200)) == 90
    assert sampled_files(tmp_path / "absent", [".flac"], 3) == []


def test_sampling_follows_links_and_ends_in_loops(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/1.flac").touch()
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus/speaker").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/again").symlink_to(tmp_path / "corpus")
    assert sampled_files(tmp_path / "corpus", [".flac"], 5) == [tmp_path / "corpus/speaker/1.flac"]


def test_names_at_even_distances():
    assert evenly(list(range(10)), 3) == [1, 5, 8]
    assert evenly([1, 2], 3) == [1, 2]
    assert evenly([1], 0) == []


def test_few_files_tell_how_many_bytes_a_second_takes(tmp_path, files):
    for number in ("0002", "0003"):
        libri_speech(tmp_path, number=number)
    assert speech_of(config_of(tmp_path), "libri").seconds == pytest.approx(3, rel=0.01)


def test_many_folders_are_told_from_a_part_of_them(tmp_path, files):
    for speaker in range(2, 121):
        (tmp_path / f"LibriSpeech/a/{speaker}").mkdir()
        (tmp_path / f"LibriSpeech/a/{speaker}/x.flac").write_bytes(files[0].read_bytes())
    speech = speech_of(config_of(tmp_path), "libri")
    assert speech.source == "by the size of a part of the audio files"
    assert (speech.utterances, speech.seconds) == (120, pytest.approx(120, rel=0.01))


def test_a_stream_that_does_not_say_its_length_takes_no_half_million_years(tmp_path, files):
    path = next(tmp_path.rglob("*.flac"))
    flac = path.read_bytes()
    path.write_bytes(flac[:21] + bytes([flac[21] & 0xF0]) + bytes(20) + flac[42:])
    assert 0 < speech_of(config_of(tmp_path), "libri").seconds < 60


def earlier_scan(config, n_utterances, troubles):
    folder = f"{config.results}/corpora/libri"
    write_table(f"{folder}/utterances.parquet", pd.DataFrame({"utterance": [str(i) for i in range(n_utterances)]}))
    write_table(f"{folder}/report.tsv", report_table("libri", "a", troubles))


def test_the_report_of_an_earlier_scan_is_read(tmp_path):
    config = config_of(tmp_path)
    assert list(report_findings(config, default_needs(config))) == []
    earlier_scan(config, 97, [])
    assert list(report_findings(config, default_needs(config))) == []
    troubles = [(f"x{i}", Trouble("stereo", "expected this")) for i in range(2)]
    earlier_scan(config, 97, [*troubles, ("y", Trouble("missing_audio", "expected that"))])
    (finding,) = report_findings(config, default_needs(config))
    assert finding.fatal
    assert "3 of 100" in finding.found
    assert "on_bad_utterance: skip" in finding.remedy
    skipping = config_of(tmp_path, on_bad_utterance="skip", max_skipped_share=0.05)
    (finding,) = report_findings(skipping, default_needs(skipping))
    assert not finding.fatal
    assert finding.found.startswith("3 skipped, 3.0%: missing_audio 1 (")
    assert "stereo 2 (" in finding.found
    assert "report.tsv" in finding.remedy


def test_too_little_speech_of_an_earlier_run(tmp_path):
    config = config_of(tmp_path)
    assert list(rare_cell_findings(config)) == []
    cells = pd.DataFrame({"group": "M", "label": LABELS, "n": 1000})
    cells["rare"] = False
    table = f"{config.results}/neurons/m/libri/gender.cells.tsv"
    write_table(table, cells)
    assert list(rare_cell_findings(config)) == []
    cells.loc[:4, "n"] = 99
    # Silence is in no pattern.
    cells.loc[cells["label"] == "SIL", "n"] = 3
    write_table(table, cells)
    (finding,) = rare_cell_findings(config)
    assert (finding.about, finding.fatal) == ("corpora.libri", False)
    assert finding.found.endswith("gender 5 of 39")
    assert finding.remedy.endswith("min_count: 100")


def scanned(config, genders):
    """What a scan writes of utterances of 2 s: AH for a second, then B."""
    folder = f"{config.results}/corpora/libri/subsets/a"
    names = [f"{index}-2-0001" for index in range(len(genders))]
    columns = {"utterance": names, "subset": "a", "speaker": names, "gender": genders, "n_labels": 100}
    write_table(f"{folder}/utterances.parquet", pd.DataFrame(columns))
    start = np.tile([0, 1_000_000], len(names))
    label = np.tile(np.array([LABEL_IDS["AH"], LABEL_IDS["B"]], dtype=np.int8), len(names))
    ends = {"end_us": start + 1_000_000, "label": label}
    segments = pd.DataFrame({"utterance": np.repeat(names, 2), "start_us": start} | ends)
    write_table(f"{folder}/segments.parquet", segments)


def test_a_scan_tells_how_many_frames_cells_have(tmp_path):
    config = config_of(tmp_path)
    scanned(config, ["F", "F", "M"])
    counts = cell_counts(config, "libri")
    assert set(counts) == {"phone", "single_phone", "gender", "duration"}
    of_gender = counts["gender"].set_index(["group", "label"])["n"]
    assert (of_gender["M", "AH"], of_gender["F", "B"], of_gender["F", "ZH"]) == (50, 100, 0)
    (finding,) = rare_cell_findings(config)
    assert "phone 37 of 39" in finding.found
    assert "gender 76 of 78" in finding.found


def test_speech_without_phones_needs_no_more_of_it_but_properties_without_phones(tmp_path):
    config = config_of(tmp_path)
    table = f"{config.results}/neurons/m/libri/gender.cells.tsv"
    write_table(table, pd.DataFrame({"group": "M", "label": LABELS, "n": 0, "rare": True}))
    (finding,) = rare_cell_findings(config)
    assert (finding.about, finding.fatal) == ("corpora.libri", False)
    assert finding.found == "none in gender, of which no neuron can be found"
    assert "by: none" in finding.remedy
