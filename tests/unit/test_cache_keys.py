"""Keys of the cache change with all that bears on a result, and with nothing else; names are put right."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import soundfile
from pretraining_inputs import small_job
from small_models import save_model, small_model
from task_inputs import make_data, make_job, prepared, read_audio, utterances

from property_neurons.cache import keys
from property_neurons.cache.counts import take_back_or_count
from property_neurons.cache.entries import publish, take
from property_neurons.cache.keys import pretraining_result, ranks_result, task_result
from property_neurons.corpus import audio
from property_neurons.corpus.phones import PAPER_PHONES, Inventory
from property_neurons.corpus.recordings import Recording
from property_neurons.editing.saved import RECORD as EDITING_RECORD
from property_neurons.errors import StoreError
from property_neurons.models.loading import load_encoder
from property_neurons.models.prepare import LocalFolder, prepare_model
from property_neurons.models.prepared import PRUNED_LOADER
from property_neurons.pretraining.stage import run_pretraining
from property_neurons.pruning.distillation import RECORD as DISTILLATION_RECORD
from property_neurons.pruning.prune import RECORD
from property_neurons.ranks.extraction import extract_ranks
from property_neurons.ranks.store import open_ranks
from property_neurons.stores import files, manifests
from property_neurons.stores.zarr import add_array, new_store, open_store
from property_neurons.tasks.metrics import score_training
from property_neurons.tasks.train import train_task

log = logging.getLogger("test_cache_keys")
MIDDLE = {"a": np.array([1, 5]), "b": np.array([2])}


def prepare(folder, class_name="HubertModel", seed=0, do_normalize=True):
    source = save_model(small_model(class_name, seed=seed), folder / "source", do_normalize)
    prepare_model(folder / "tiny", folder / "tiny.manifest.json", LocalFolder(str(source)))
    return folder / "tiny.manifest.json"


@pytest.fixture(scope="module")
def hubert(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("hubert"))


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """A folder of two recordings, and their shard list."""
    root = tmp_path_factory.mktemp("speech")
    rows = []
    for name, n_samples in (("a", 4000), ("b", 6000)):
        noise = np.random.default_rng(n_samples).normal(0, 0.1, n_samples)
        soundfile.write(root / f"{name}.wav", noise, 16_000, subtype="PCM_16")
        digest = manifests.describe_files(root, [root / f"{name}.wav"])["files"][f"{name}.wav"][1]
        rows.append((name, f"{name}.wav", n_samples, digest))
    return root, pd.DataFrame(rows, columns=["utterance", "audio", "n_samples", "audio_digest"])


@pytest.fixture
def ranks(hubert, speech):
    """A function that describes ranks, with some arguments changed."""

    def describe(**changes):
        root, table = speech
        given = {"store": "x/0.zarr", "manifest": hubert, "utterances": table, "root": root, "model": "tiny"}
        settings = {"lambda_max": 0.05, "middle_frames": None, "batch_seconds": None}
        machine = {"device": "cpu", "threads": 1, "code": "c0", "script": __file__}
        return ranks_result(**(given | settings | machine | changes))

    return describe


def altered(table, column, value):
    changed = table.copy()
    changed.loc[1, column] = value
    return changed


RANK_CHANGES = {
    "lambda_max": {"lambda_max": 0.04},
    "middle frames": {"middle_frames": MIDDLE},
    "other middle frames": {"middle_frames": MIDDLE | {"b": np.array([3])}},
    "seconds at once": {"batch_seconds": 240.0},
    "threads": {"threads": 2},
    "device": {"device": "cuda"},
    "code": {"code": "c1"},
    "script": {"script": keys.__file__},
}


def test_ranks_have_another_key_for_all_that_bears_on_them(ranks, speech, hubert, tmp_path, monkeypatch):
    table = speech[1]
    described = {"": ranks()} | {name: ranks(**changes) for name, changes in RANK_CHANGES.items()}
    for column, value in (("utterance", "c"), ("n_samples", 6001), ("audio_digest", "0" * 32)):
        described[column] = ranks(utterances=altered(table, column, value))
    described["order"] = ranks(utterances=table.iloc[::-1])
    described["fewer"] = ranks(utterances=table.iloc[:1])
    described["weights"] = ranks(manifest=prepare(tmp_path / "1", seed=1))
    described["preprocessing"] = ranks(manifest=prepare(tmp_path / "2", do_normalize=False))
    versions = keys.version_of
    for package in ("torch", "transformers", "numpy", "zarr"):
        monkeypatch.setattr(keys, "version_of", lambda name, p=package: "0" if name == p else versions(name))
        described[package] = ranks()
    by_key = {result.key: name for name, result in described.items()}
    assert sorted(by_key.values()) == sorted(described)


def test_frames_have_another_key_for_all_that_bears_on_them(speech, tmp_path):
    root, table = speech
    (tmp_path / "bins.json").write_text("{}")
    facts = table[["utterance"]].assign(speaker="s", n_labels=3)
    segments = pd.DataFrame({"utterance": table["utterance"], "start_us": 0, "end_us": 9, "label": 1, "mark": ""})
    pitch = {"method": "yaapt", "floor_hz": 71.0, "ceiling_hz": 800.0, "path": None}
    given = {"shard_list": table, "utterances": facts, "segments": segments, "root": root, "pitch": pitch}
    given |= {"inventory": PAPER_PHONES, "code": "c0", "script": __file__}
    bins = pitch | {"method": "bins", "path": str(tmp_path / "bins.json")}
    changes = {
        "": {},
        "audio": {"shard_list": altered(table, "audio_digest", "0" * 32)},
        "speaker": {"utterances": altered(facts, "speaker", "t")},
        "label": {"segments": altered(segments, "label", 2)},
        "order": {"segments": segments.iloc[::-1]},
        "floor": {"pitch": pitch | {"floor_hz": 60.0}},
        "bins": {"pitch": bins},
        "classes": {"inventory": Inventory(PAPER_PHONES.phones, {"one": PAPER_PHONES.phones[:2]})},
        "code": {"code": "c1"},
        "script": {"script": keys.__file__},
    }
    described = {name: keys.frames_result("f.zarr", **given | change) for name, change in changes.items()}
    (tmp_path / "bins.json").write_text("{} ")
    described["other bins"] = keys.frames_result("f.zarr", **given | {"pitch": bins})
    assert len({result.key for result in described.values()}) == len(described)
    # An utterance of another shard changes nothing.
    more = pd.concat([facts, facts.iloc[:1].assign(utterance="elsewhere")])
    assert keys.frames_result("g.zarr", **given | {"utterances": more}).key == described[""].key


def test_log_mel_frames_have_another_key_for_all_that_bears_on_them(speech):
    root, table = speech
    given = {"shard_list": table, "speakers": ["s"] * len(table), "root": root, "coded": False}
    given |= {"code": "c0", "script": __file__}
    changes = {
        "": {},
        "audio": {"shard_list": altered(table, "audio_digest", "0" * 32)},
        "fewer": {"shard_list": table.iloc[:1], "speakers": ["s"]},
        "speaker": {"speakers": ["t"] * len(table)},
        "coded": {"coded": True},
        "code": {"code": "c1"},
        "script": {"script": keys.__file__},
    }
    results = [keys.log_mel_result("f", "f.manifest.json", **given | change) for change in changes.values()]
    assert len({result.key for result in results}) == len(changes)


def test_counts_are_taken_back_where_all_that_they_are_of_is_the_same(tmp_path):
    made, ranks, listed = [], tmp_path / "ranks/0.zarr", tmp_path / "checked.json"
    store = tmp_path / "counts/pitch.zarr"

    def write(path, value):
        with new_store(path) as content:
            add_array(content, "n", np.array([value]))

    def run(sigma=1, code="c"):
        shutil.rmtree(store, ignore_errors=True)
        job = SimpleNamespace(
            input=[str(listed), str(manifests.manifest_path(ranks))],
            output=SimpleNamespace(store=str(store)),
            params={"counting": {"lambda_": 0.01, "sigma": sigma}, "code": code},
            wildcards={"model": "m"},
            scriptdir=str(Path(__file__).resolve().parents[2] / "workflow/scripts"),
        )
        made.clear()
        with mock.patch("property_neurons.cache.take_or_make.check_code"):
            take_back_or_count(job, "count_units.py", lambda: made.append(write(store, 3)), log)
        assert open_store(store)["n"][:].tolist() == [3]
        return len(made)

    write(ranks, 1)
    listed.write_text("[]")
    assert [run(), run(), run(sigma=2), run(sigma=2), run(sigma=2, code="d")] == [1, 0, 1, 0, 1]
    write(ranks, 2)
    assert [run(code="d"), run(code="d")] == [1, 0]
    listed.write_text("[1]")
    assert [run(code="d"), run(code="d")] == [1, 0]


def test_ranks_have_the_same_key_under_other_names_and_in_other_places(ranks, speech, hubert, tmp_path):
    root, table = speech
    known = ranks().key
    assert ranks(model="other", store="y/1.zarr").key == known
    shutil.copytree(root, tmp_path / "moved/there")
    assert ranks(root=tmp_path / "moved", utterances=table.assign(audio="there/" + table["audio"])).key == known
    # The same weights prepared from another folder.
    assert ranks(manifest=prepare(tmp_path / "again")).key == known
    recorded = tmp_path / "again/tiny.manifest.json"
    beside = (RECORD, EDITING_RECORD, DISTILLATION_RECORD, "curves.tsv", PRUNED_LOADER.name)
    for record, counts in (*((name, False) for name in beside), ("generation_config.json", True)):
        described = manifests.read_manifest(recorded)
        files.write_json(tmp_path / "again/tiny" / record, {"of": "results/models/tiny"})
        manifests.write_manifest(recorded, described | manifests.describe_files(tmp_path / "again/tiny"))
        assert (ranks(manifest=recorded).key != known) == counts
    assert ranks(middle_frames=MIDDLE).key == ranks(middle_frames={name: list(f) for name, f in MIDDLE.items()}).key


def test_nothing_is_taken_for_a_model_that_is_damaged(ranks, tmp_path):
    manifest = prepare(tmp_path)
    (tmp_path / "tiny/config.json").write_text("{}")
    with pytest.raises(StoreError, match=r"config\.json"):
        ranks(manifest=manifest)


def test_ranks_taken_under_another_name_are_the_bytes_that_would_be_made(ranks, speech, hubert, tmp_path):
    root, table = speech
    recordings = [Recording(row.utterance, root / row.audio, row.n_samples) for row in table.itertuples()]

    def extract(store, name):
        encoder = load_encoder(hubert.with_name("tiny"), manifest=hubert)
        extract_ranks(encoder, recordings, store, model=name, lambda_max=0.05)

    (tmp_path / "cache").mkdir()
    extract(tmp_path / "first/0.zarr", "tiny")
    assert publish(tmp_path / "cache", ranks(store=tmp_path / "first/0.zarr"), log)
    assert take(tmp_path / "cache", ranks(store=tmp_path / "taken/0.zarr", model="mine"), log)
    extract(tmp_path / "made/0.zarr", "mine")
    assert open_ranks(tmp_path / "taken/0.zarr").model == "mine"
    taken, made = (manifests.manifest_path(tmp_path / name / "0.zarr").read_bytes() for name in ("taken", "made"))
    assert taken == made


@pytest.fixture
def stage(tmp_path):
    return small_job(tmp_path / "stage")


@pytest.mark.slow
def test_a_stage_has_another_key_for_all_that_bears_on_it(stage, tmp_path):
    def key(job=stage, processes=1, threads=1, script=__file__):
        return pretraining_result(job, processes=processes, threads=threads, script=script).key

    cuda = replace(stage, device="cuda")
    other_targets, other_statistics = small_job(tmp_path / "1"), small_job(tmp_path / "2")
    shutil.copy(stage.log_mel[0], other_targets.targets[0])
    files.write_json(other_statistics.statistics, files.read_json(stage.statistics) | {"mean": [0.0] * 40})
    different = [
        key(),
        key(small_job(tmp_path / "coded", mp3=True)),
        key(other_targets),
        key(other_statistics),
        key(replace(stage, initial=stage.log_mel[0].removesuffix(".manifest.json"))),
        key(threads=2),
        key(script=keys.__file__),
        key(cuda),
        key(cuda, processes=2),
        key(replace(stage, code="c")),
        key(replace(stage, validation_share=0.3)),
        key(replace(stage, architecture=stage.architecture | {"hidden_size": 32})),
        key(replace(stage, training=stage.training | {"seed": 1})),
        key(replace(stage, training=stage.training | {"steps": 13})),
    ]
    assert len(set(different)) == len(different)
    assert key(cuda, threads=2) == key(cuda)
    assert key(replace(stage, training=stage.training | {"workers": 2, "save_every": 2})) == key()
    elsewhere = replace(small_job(tmp_path / "moved"), name="b", folder="f", work="w", tensorboard="t")
    assert key(elsewhere) == key()


@pytest.mark.slow
def test_a_stage_is_taken_as_it_would_be_trained(stage, tmp_path):
    (tmp_path / "cache").mkdir()
    run_pretraining(stage)
    assert publish(tmp_path / "cache", pretraining_result(stage, processes=1, threads=1, script=__file__), log)
    # All that it depends on, made anew in another place.
    other = small_job(tmp_path / "other")
    assert take(tmp_path / "cache", pretraining_result(other, processes=1, threads=1, script=__file__), log)
    found = [manifests.read_manifest(f"{job.folder}.manifest.json") for job in (stage, other)]
    assert [one["job"]["folder"] for one in found] == [stage.folder, other.folder]
    assert found[0]["files"] == found[1]["files"]
    manifests.verify_files(other.folder, f"{other.folder}.manifest.json")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("model"))


def test_a_training_has_another_key_for_all_that_bears_on_it(data, model, tmp_path):
    def job(kind="speaker_identification", model=model, **changes):
        return make_job(tmp_path, data, model, kind, **changes)

    def key(job, threads=1, script=__file__):
        return task_result(job, threads=threads, script=script).key

    for name, byte in (("one", b"1"), ("two", b"2"), ("later", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "head.safetensors").write_bytes(byte)
        files.write_json(tmp_path / name / "training.json", {"items": 48 if name == "later" else 32})
        manifests.write_manifest(tmp_path / f"{name}.manifest.json", manifests.describe_files(tmp_path / name))
    different = [
        job(),
        job("phone_recognition"),
        job("f0_reconstruction"),
        job(mode="fine_tuned"),
        job(model=prepared(tmp_path / "seed", seed=1)),
        job(settings={"seed": 1}),
        job(settings={"steps": 13}),
        job(settings={"projector": 4}),
        job(states={"tones": "x.manifest.json"}),
        job(code="c"),
        job(device="cuda"),
        job(initial=str(tmp_path / "one")),
        job(initial=str(tmp_path / "two")),
        # From the same head on, but after other utterances.
        job(initial=str(tmp_path / "later")),
    ]
    known = [key(one) for one in different]
    assert len(set(known)) == len(known)
    assert key(job(), threads=2) not in known
    assert key(job(), script=keys.__file__) not in known
    same = {"task": "other", "model_name": "other", "name": "elsewhere", "tensorboard": "t"}
    assert key(job(**same, settings={"workers": 2, "save_every": 2})) == known[0]
    # The head that is trained on counts, not what else is written beside it.
    files.write_json(tmp_path / "one/training.json", {"items": 32, "named": "otherwise"})
    manifests.write_manifest(tmp_path / "one.manifest.json", manifests.describe_files(tmp_path / "one"))
    assert key(job(initial=str(tmp_path / "one"))) == known[-3]


@pytest.mark.parametrize(
    ("column", "value", "counts"),
    [
        ("corpus", "other", False),
        ("audio", "moved/0.wav", False),
        ("audio_digest", "0" * 32, True),
        ("part", "dev", True),
        ("n_samples", 1, True),
        ("speaker", "9", True),
    ],
)
def test_what_counts_of_the_data_of_a_training(data, model, tmp_path, column, value, counts):
    kind = "phone_recognition"
    manifest = Path(data[kind])
    table = files.read_table(f"{manifests.described_folder(manifest)}.parquet")
    table.loc[table.index[table["part"] == "train"][0], column] = value
    files.write_table(tmp_path / "other.parquet", table)
    described = manifests.read_manifest(manifest) | manifests.describe_files(tmp_path, [tmp_path / "other.parquet"])
    manifests.write_manifest(tmp_path / "other.manifest.json", described)
    roots = {"tones": "", "other": ""}
    before = task_result(make_job(tmp_path, data, model, kind), threads=1, script=__file__)
    other = make_job(tmp_path, {kind: str(tmp_path / "other.manifest.json")}, model, kind)
    after = task_result(replace(other, roots=roots), threads=1, script=__file__)
    assert (after.key != before.key) == counts


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["frozen", "fine_tuned"])
def test_a_training_taken_under_another_name_is_the_bytes_that_would_be_made(data, model, tmp_path, monkeypatch, mode):
    monkeypatch.setattr(audio, "read_audio", read_audio)
    kind = "speaker_identification"
    (tmp_path / "cache").mkdir()
    manifest = Path(data[kind])
    table = files.read_table(f"{manifests.described_folder(manifest)}.parquet")
    speech = tmp_path / "audio"
    speech.mkdir()
    for name in utterances()["utterance"]:
        (speech / f"{name}.wav").write_bytes(name.encode())
    digests = manifests.describe_files(speech)["files"]
    table["audio_digest"] = [digests[path][1] for path in table["audio"]]
    files.write_table(tmp_path / "task.parquet", table)
    described = manifests.read_manifest(manifest) | manifests.describe_files(tmp_path, [tmp_path / "task.parquet"])
    manifests.write_manifest(tmp_path / "task.manifest.json", described)

    def job(name, model_name):
        made = make_job(tmp_path, {kind: str(tmp_path / "task.manifest.json")}, model, kind, name, mode=mode)
        return replace(made, model_name=model_name, task=model_name, roots={"tones": str(speech)})

    first, taken, made = job("first", "tiny"), job("taken", "mine"), job("made", "mine")
    train_task(first)
    assert publish(tmp_path / "cache", task_result(first, threads=1, script=__file__), log)
    assert take(tmp_path / "cache", task_result(taken, threads=1, script=__file__), log)
    train_task(made)
    found = [files.read_json(f"{one.folder}.manifest.json") for one in (taken, made)]
    assert found[0]["files"] == found[1]["files"]
    metrics = score_training(f"{taken.folder}.manifest.json", taken.data)
    assert (metrics["task"], metrics["model"]) == ("mine", "mine")
