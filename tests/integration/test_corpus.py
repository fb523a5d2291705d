"""A LibriSpeech corpus of two subsets, with and without utterances that cannot be used, through the real Snakemake."""

import os
import re
import shutil

import pytest
import soundfile

from property_neurons.stores.files import read_table
from tests.integration.project import Project
from tests.unit import small_models

pytestmark = [pytest.mark.integration, pytest.mark.slow]

TARGET = "results/neurons/tiny/libri/gender.parquet"
SKIP = {"on_bad_utterance": "skip", "max_skipped_share": 0.9}


def configuration(subsets, **corpus):
    return {
        "data_root": "data",
        "corpora": {
            "libri": {
                "kind": "librispeech",
                "root": "LibriSpeech",
                "subsets": {name: {"shards": 2} for name in subsets},
                "alignments": {"kind": "textgrid", "path": "alignments/{subset}"},
                "pitch": {"method": "praat"},
            }
            | corpus
        },
        "models": {"tiny": {"kind": "folder", "path": "tiny"}},
        "figures": {"corpus": "libri", "model": "tiny"},
    }


def copy_of(speech, folder):
    """The demo corpus's speech as a LibriSpeech of two subsets, `first` and `second`, two speakers each."""
    project = Project.copy(folder, configuration(["first"]))
    speakers = sorted(path.name for path in (speech / "LibriSpeech/demo").iterdir())
    for subset, chosen in (("first", speakers[:2]), ("second", speakers[2:4])):
        for tree in ("LibriSpeech", "alignments"):
            for speaker in chosen:
                shutil.copytree(speech / tree / "demo" / speaker, project.folder / "data" / tree / subset / speaker)
    shutil.copy(speech / "LibriSpeech/SPEAKERS.TXT", project.folder / "data/LibriSpeech")
    small_models.save_model(small_models.small_model("HubertModel"), project.folder / "tiny")
    return project


def break_utterances(folder):
    """Damage four utterances of the first subset; returns their ids by the code that each should get."""
    audio = sorted((folder / "data/LibriSpeech/first").rglob("*.flac"))
    # Of both speakers, three utterances each: genders need one of either.
    truncated, stereo, unlabelled, unknown = audio[0], audio[1], audio[3], audio[4]
    truncated.write_bytes(truncated.read_bytes()[:2000])
    samples, rate = soundfile.read(stereo)
    soundfile.write(stereo, [[value, value] for value in samples], rate)
    alignments = folder / "data/alignments/first"
    next(alignments.rglob(f"{unlabelled.stem}.TextGrid")).unlink()
    grid = next(alignments.rglob(f"{unknown.stem}.TextGrid"))
    grid.write_text(grid.read_text().replace('"AH"', '"AX"'))
    return {
        "corrupt_audio": truncated.stem,
        "stereo": stereo.stem,
        "missing_alignment": unlabelled.stem,
        "unknown_phone": unknown.stem,
    }


@pytest.fixture(scope="module")
def damaged(demo_speech, tmp_path_factory):
    """A project of which four utterances cannot be used, and which."""
    project = copy_of(demo_speech, tmp_path_factory.mktemp("corpus") / "project")
    return project, break_utterances(project.folder)


@pytest.fixture(scope="module")
def killed(damaged):
    """The project after a run without these utterances that was killed at the second shard; when the first was made."""
    project, _ = damaged
    project.configure(configuration(["first"], **SKIP))
    first = project.folder / "results/ranks/tiny/libri/first-000.manifest.json"
    project.snakemake(str(first.relative_to(project.folder)))
    half = first.with_name(".first-001.zarr.1.tmp")
    half.mkdir()
    (half / "zarr.json").write_text("{")
    return project, first, first.stat().st_mtime_ns


@pytest.fixture(scope="module")
def made(killed):
    """The project after the run that went on."""
    project, *_ = killed
    project.snakemake(TARGET)
    return project


def test_all_bad_utterances_are_named_at_once(damaged):
    project, bad = damaged
    printed = project.snakemake(TARGET, fails=True)
    assert "Traceback" not in printed
    for code, utterance in bad.items():
        assert code in printed
        assert utterance in printed
    assert not (project.folder / "results/ranks").exists()
    project.configure(configuration(["first"], **SKIP | {"max_skipped_share": 0.01}))
    assert "expected a skipped share of at most 0.01" in project.snakemake(TARGET, fails=True)


def test_a_killed_run_goes_on_where_it_stopped(killed, made):
    _, first, time = killed
    assert first.stat().st_mtime_ns == time
    assert "Nothing to be done" in made.snakemake("--dry-run", TARGET)


def test_bad_utterances_are_skipped_when_asked(damaged, made):
    _, bad = damaged
    report = read_table(made.folder / "results/corpora/libri/report.tsv")
    assert {code: report.loc[report["code"] == code, "utterance"].tolist() for code in bad} == {
        code: [utterance] for code, utterance in bad.items()
    }
    kept = read_table(made.folder / "results/corpora/libri/utterances.parquet")
    assert not set(kept["utterance"]) & set(bad.values())


def test_one_more_subset_runs_only_its_shards(made):
    made.configure(configuration(["first", "second"], **SKIP))
    planned = made.planned(TARGET)
    for rule in ("build_frames", "rank_neurons"):
        outputs = {output for output, made_by in planned.items() if made_by == rule and output.endswith(".json")}
        assert {output.rpartition("/")[2] for output in outputs} == {
            "second-000.manifest.json",
            "second-001.manifest.json",
        }
    assert "scan_libri.second" in planned.values()
    assert not {"scan_libri.first", "prepare_model"} & set(planned.values())
    made.snakemake(TARGET)
    assert read_table(made.folder / "results/corpora/libri/utterances.parquet")["subset"].nunique() == 2
    # An id of both subsets would now be the second's.
    made.configure(configuration(["second", "first"], **SKIP))
    assert "assemble_corpus" in made.planned(TARGET).values()
    made.configure(configuration(["first", "second"], **SKIP))
    assert made.planned(TARGET) == {}


def test_files_put_in_the_place_of_newer_ones_are_noticed(made):
    """A backup that was put back, or an archive unpacked, is older than what was made of the file before."""
    before = made.planned_rules(TARGET)
    speakers, weights = made.folder / "data/LibriSpeech/SPEAKERS.TXT", made.folder / "tiny/model.safetensors"
    kept = {path: path.read_bytes() for path in (speakers, weights)}
    changed = bytearray(kept[weights])
    changed[-1] ^= 1
    for path, content, rule in (
        (speakers, kept[speakers] + b"; a remark\n", "scan_libri.first"),
        (weights, bytes(changed), "prepare_model"),
    ):
        path.write_bytes(content)
        os.utime(path, (1e9, 1e9))
        assert rule in made.planned_rules(TARGET)
        path.write_bytes(kept[path])
        os.utime(path, (1e9, 1e9))
        assert made.planned_rules(TARGET) == before


def test_transcripts_alone_are_aligned_by_pocketsphinx(demo_speech, tmp_path):
    project = copy_of(demo_speech, tmp_path / "project")
    project.configure(configuration(["first"], alignments={"kind": "pocketsphinx"}))
    project.snakemake("results/corpora/libri/checked.json", "results/corpora/libri/frames/first-000.manifest.json")
    utterances = read_table(project.folder / "results/corpora/libri/utterances.parquet")
    audio = {path.stem for path in (project.folder / "data/LibriSpeech/first").rglob("*.flac")}
    assert set(utterances["utterance"]) == audio
    assert len(read_table(project.folder / "results/corpora/libri/alignments/first.report.tsv")) == 0
    # A changed transcript is not scanned with the phones of the old one.
    transcripts = next((project.folder / "data/LibriSpeech/first").rglob("*.trans.txt"))
    transcripts.write_text(transcripts.read_text().rstrip("\n") + " AGAIN\n")
    checked = "results/corpora/libri/checked.json"
    printed = project.snakemake("-R", "scan_libri.first", "--", checked, fails=True)
    assert "found other ones of 1 utterances" in printed
    again = re.search(r"-R (\S+first\.manifest\.json)", printed)[1]
    project.snakemake("-R", again, "--", checked)
