"""Every kind of store, damaged in every way: found by its reader, named, and whole again once made anew."""

import json
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_stores
import task_inputs
from damage import DAMAGES, manifest_edits
from fake_job import fake_job
from pretraining_inputs import small_job, write_features

from property_neurons.codebooks.codebook import Codebook, read_codebook, write_codebook
from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.recordings import Recording
from property_neurons.corpus.shards import read_segments, read_shard_list, write_segments, write_shard_list
from property_neurons.counting.count import count_activations
from property_neurons.counting.count_store import open_counts
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling
from property_neurons.editing.__main__ import main as edit
from property_neurons.errors import PropertyNeuronsError, StoreError
from property_neurons.jobs.log import job_log
from property_neurons.models.loading import load_encoder
from property_neurons.models.log_mel import LogMelStatistics
from property_neurons.pretraining.log_mel_store import open_log_mel, read_statistics, write_statistics
from property_neurons.pretraining.target_store import open_targets
from property_neurons.ranks.store import open_ranks
from property_neurons.stores.files import read_json, read_table, write_table
from property_neurons.stores.manifests import described_folder, record_digest, store_path
from property_neurons.tasks.fine_tuned import load_fine_tuned
from property_neurons.tasks.stored_states import open_states, write_states
from property_neurons.tasks.table import read_task_data
from property_neurons.tasks.train import train_task

SPEECH = task_inputs.read_audio
ROOT = Path(__file__).resolve().parents[2]
CORPUS = synthetic_stores.make_corpus(seed=1)


@dataclass(frozen=True)
class Kind:
    """A kind of store: how it is made in a folder (returns its manifest), and what later jobs read it by."""

    make: Callable[[Path], Path]
    read: Callable[[Path], object]


def make_counts(folder):
    count_activations(
        synthetic_stores.write_shards(folder, CORPUS),
        make_property("gender", column="gender", order=["M", "F"]),
        Sampling("every", "keep", "separate"),
        lambda_=0.1,
        corpus="made",
        output=folder / "counts.zarr",
    )
    return folder / "counts.manifest.json"


def make_states(folder):
    model = task_inputs.prepared(folder)
    table = task_inputs.utterances().head(2)
    recordings = [Recording(row.utterance, Path(row.audio), row.n_samples) for row in table.itertuples()]
    encoder = load_encoder(described_folder(model), manifest=model)
    write_states(folder / "states", encoder, recordings)
    return folder / "states.manifest.json"


def make_training(folder):
    data, model = task_inputs.make_data(folder), task_inputs.prepared(folder)
    settings = {"steps": 1, "evaluate_every": 1}
    job = task_inputs.make_job(folder, data, model, "speaker_identification", mode="fine_tuned", settings=settings)
    train_task(job)
    return Path(f"{job.folder}.manifest.json")


def make_targets(folder):
    small_job(folder)
    return folder / "targets.manifest.json"


KINDS = {
    "ranks": Kind(
        lambda folder: synthetic_stores.write_ranks(folder / "0.zarr", CORPUS).with_suffix(".manifest.json"),
        lambda manifest: open_ranks(store_path(manifest)),
    ),
    "frames": Kind(
        lambda folder: synthetic_stores.write_frames(folder / "0.zarr", CORPUS).with_suffix(".manifest.json"),
        lambda manifest: open_frames(store_path(manifest)),
    ),
    "counts": Kind(make_counts, lambda manifest: open_counts(store_path(manifest))),
    "log-Mel frames": Kind(write_features, open_log_mel),
    "targets": Kind(make_targets, lambda manifest: open_targets(store_path(manifest))),
    "task data": Kind(
        lambda folder: Path(task_inputs.make_data(folder)["phone_recognition"]),
        read_task_data,
    ),
    "stored states": Kind(make_states, open_states),
    "models": Kind(
        lambda folder: Path(task_inputs.prepared(folder)),
        lambda manifest: load_encoder(described_folder(manifest), manifest=manifest),
    ),
    "trainings": Kind(make_training, load_fine_tuned),
}


@pytest.fixture(scope="module", params=KINDS)
def kept(request, tmp_path_factory):
    """A kind, and its manifest where one has been made."""
    kind = KINDS[request.param]
    return kind, kind.make(tmp_path_factory.mktemp("made"))


@pytest.fixture
def made(kept, tmp_path):
    """A copy of it, to be damaged."""
    kind, manifest = kept
    folder = tmp_path / "made"
    shutil.copytree(manifest.parent, folder)
    return kind, folder / manifest.name, manifest


def folder_of(manifest):
    folder = described_folder(manifest)
    return next((one for one in (folder, store_path(manifest)) if one.is_dir()), manifest.parent)


def test_a_file_truncated_removed_or_changed_is_named_with_what_to_do(made):
    kind, manifest, whole = made
    for name in read_json(manifest)["files"]:
        file = folder_of(manifest) / name
        content = file.read_bytes()
        for damage in DAMAGES:
            damage(file)
            with pytest.raises(StoreError, match=f"{re.escape(name)}.*delete {re.escape(str(manifest))} and run again"):
                kind.read(manifest)
            file.write_bytes(content)
    kind.read(manifest)
    assert manifest.read_bytes() == whole.read_bytes()


def test_an_edited_manifest_is_named_with_what_to_do(made):
    kind, manifest, _ = made
    for what, content in manifest_edits(read_json(manifest)).items():
        manifest.write_text(json.dumps(content))
        with pytest.raises(StoreError, match=f"{re.escape(str(manifest))}: expected .* found .*and run again"):
            kind.read(manifest)
            pytest.fail(f"{what}: not noticed")
    for damage in DAMAGES:
        manifest.write_bytes(made[2].read_bytes())
        damage(manifest)
        with pytest.raises(StoreError, match=f"{re.escape(str(manifest))}: expected .* found .*run (the rule|again)"):
            kind.read(manifest)


def test_made_anew_it_has_the_same_files(kept, tmp_path):
    kind, manifest = kept
    assert read_json(kind.make(tmp_path))["files"] == read_json(manifest)["files"]


SEGMENTS = pd.DataFrame(
    {"shard": ["a-000", "a-000", "a-001"], "utterance": ["1", "1", "2"], "start_us": [0, 20, 0], "end_us": [20, 90, 50]}
    | {"label": [1, 2, 3], "mark": ["", "1", ""]}
)
UTTERANCES = pd.DataFrame(
    {"shard": "a-000", "utterance": ["1", "2"], "audio": ["1.wav", "2.wav"], "n_samples": [320, 640]}
    | {"audio_digest": ["aa", "bb"]}
)
NEURONS = pd.DataFrame({"layer": [1, 1], "site": ["1", "1"], "group": ["F", "M"], "neuron": [3, 5]})
# Files that no manifest describes: how they are written, and what later jobs read them by.
TABLES = {
    "shard.tsv": (lambda path: write_shard_list(path, UTTERANCES, "a-000"), read_shard_list),
    "segments.parquet": (
        lambda path: write_segments(path, SEGMENTS, ["a-000", "a-001"]),
        lambda path: read_segments(path, "a-000"),
    ),
    "neurons.parquet": (lambda path: write_table(path, NEURONS), read_table),
    "summary.tsv": (lambda path: write_table(path, NEURONS), read_table),
    "log_mel.json": (
        lambda path: write_statistics(path, LogMelStatistics(np.arange(4.0), np.ones(4))),
        read_statistics,
    ),
    "codebook.safetensors": (
        lambda path: write_codebook(path, Codebook(np.ones((8, 4), np.float32), *np.ones((2, 4), np.float32))),
        read_codebook,
    ),
}


@pytest.fixture(params=TABLES)
def table(request, tmp_path):
    """A file that a job has made, how it was made, and its reader."""
    write, read = TABLES[request.param]
    path = tmp_path / request.param
    with job_log(fake_job(tmp_path / "log", [], [path])):
        write(path)
    return path, write, read


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_job_refuses_a_damaged_table_before_it_reads_it(table, damage, tmp_path, capsys):
    path, write, read = table
    content = path.read_bytes()
    damage(path)
    with pytest.raises(SystemExit), job_log(fake_job(tmp_path / "log", [path], [])):
        read(path)
        pytest.fail("not noticed")
    printed = capsys.readouterr().err
    assert re.search(rf"{re.escape(str(path))}: expected .*found.*run ", printed, re.DOTALL), printed
    assert "unexpected" not in printed
    path.unlink(missing_ok=True)
    with job_log(fake_job(tmp_path / "log", [], [path])):
        write(path)
    with job_log(fake_job(tmp_path / "log", [path], [])):
        read(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", [DAMAGES[0], DAMAGES[2]])
def test_readers_without_a_digest_never_end_in_a_bare_traceback(table, damage):
    """A file that came from elsewhere: its reader gives what is in it, or says what is wrong."""
    path, _, read = table
    path.with_name(f".{path.name}.digest").unlink()
    damage(path)
    with suppress(PropertyNeuronsError):
        read(path)


def test_the_command_line_refuses_a_damaged_table(tmp_path, capsys):
    path = tmp_path / "gender.parquet"
    write_table(path, NEURONS)
    record_digest(path)
    DAMAGES[2](path)
    with pytest.raises(SystemExit) as ended:
        edit(["write", str(tmp_path / "m.manifest.json"), str(path), "--groups", "F", "--to", str(tmp_path / "to")])
    assert ended.value.code
    assert "gender.parquet: expected the" in f"{ended.value.code}{capsys.readouterr().err}"


def test_every_script_hands_its_files_to_the_job_log():
    scripts = [path for path in (ROOT / "workflow/scripts").glob("*.py") if path.stem != "doctor"]
    assert len(scripts) > 20
    for script in scripts:
        assert "with job_log(snakemake" in script.read_text(), script.name


def test_every_manifest_that_a_script_is_given_is_held_against_its_folder():
    """Scripts that read files beside a manifest themselves verify them; the others leave it to a reader that does."""
    for script in sorted((ROOT / "workflow/scripts").glob("*.py")):
        text = script.read_text()
        if re.search(r"read_(table|json|segments)\([a-z]+ /", text):
            assert "verify_" in text, script.name
