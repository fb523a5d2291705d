"""python -m property_neurons.editing: what a wrong use is told, and what stays as it is."""

import shutil

import numpy as np
import pandas as pd
import pytest
from task_inputs import make_data, make_job, prepared, read_audio

from property_neurons.editing.__main__ import main
from property_neurons.editing.exported import exported_set
from property_neurons.editing.saved import Edit, save_edited
from property_neurons.errors import ModelError
from property_neurons.models.ffn import Site
from property_neurons.models.loading import load_encoder
from property_neurons.models.prepare import LocalFolder, RandomTwin, prepare_model
from property_neurons.pruning.prune import Cut, prune_model
from property_neurons.stores.files import read_json, read_table, write_table
from property_neurons.stores.manifests import digest_of, write_manifest
from property_neurons.tasks.fine_tuned import load_fine_tuned
from property_neurons.tasks.train import train_task

SPEECH = read_audio
WIDTH = 24
ROWS = [(1, "1", "F", 3, True), (2, "2", "F", 5, True), (1, "1", "F", 9, False), (1, "1", "X", 9, False)]


def neurons(**attrs):
    table = pd.DataFrame(ROWS, columns=["layer", "site", "group", "neuron", "exclusive"]).assign(width=WIDTH)
    table.attrs = attrs
    return table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """run: a training; tuned: its model; other: the model before; twin: random weights; gender.parquet: of tuned."""
    folder = tmp_path_factory.mktemp("editing")
    other = prepared(folder)
    settings = {"steps": 1, "evaluate_every": 1}
    job = make_job(folder, make_data(folder), other, "speaker_identification", mode="fine_tuned", settings=settings)
    train_task(job)
    prepare_model(folder / "tuned", folder / "tuned.manifest.json", LocalFolder(f"{job.folder}/encoder"))
    prepare_model(folder / "twin", folder / "twin.manifest.json", RandomTwin(str(folder / "tuned"), 0))
    digest = read_json(folder / "tuned.manifest.json")["digest"]
    write_table(folder / "gender.parquet", neurons(model="tuned", model_digest=digest))
    write_table(folder / "unsigned.parquet", neurons())
    write_manifest(folder / "counts.manifest.json", {"digest": digest_of({}), "files": {}})
    pretraining = {"digest": digest_of({}), "files": {}, "job": {"name": "a run"}}
    write_manifest(folder / "pretrained.manifest.json", pretraining)
    (folder / "pretrained").mkdir()
    return folder


@pytest.fixture
def said(folder, monkeypatch, capsys):
    """Runs the command in the folder; returns its exit and what it said."""
    monkeypatch.chdir(folder)

    def run(*arguments):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            told = end.code if isinstance(end.code, str) else ""
            return 1 if told else end.code, told + capsys.readouterr().err
        return 0, capsys.readouterr().out

    return run


def test_groups_without_neurons_of_their_own_are_shown(said):
    code, shown = said("groups", "gender.parquet")
    assert code == 0
    assert said("groups", "unsigned.parquet") == (code, shown)
    assert [line.split() for line in shown.splitlines()[-2:]] == [["F", "1", "1", "2"], ["X", "0", "0", "0"]]


EDIT = ["gender.parquet", "--groups", "F"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["write", "tuned.manifest.json", *EDIT, "--to", "tuned"], "tuned: expected nothing or an empty folder, found"),
        (["write", "tuned.manifest.json", *EDIT, "--to", "gender.parquet"], "gender.parquet: .* found a file; delete"),
        (["write", "tuned", *EDIT, "--to", "new"], "tuned: expected a manifest, found a folder; give tuned.manifest"),
        (["write", "other.manifest.json", *EDIT, "--to", "new"], "other.manifest.json: expected a manifest, found no"),
        (["write", "twin.manifest.json", *EDIT, "--to", "new"], "gender.parquet, for twin.*: found on the model tuned"),
        (["write", "tuned.manifest.json", "unsigned.parquet", *EDIT[1:], "--to", "new"], "unsigned.*which model"),
        (["write", "tuned.manifest.json", ".", *EDIT[1:], "--to", "new"], "expected a table, found a folder"),
        (["write", "tuned.manifest.json", *EDIT[:2], "Q", "--to", "new"], "gender.parquet.*among F, X, found Q"),
        (["write", "tuned.manifest.json", *EDIT[:2], "X", "--to", "new"], "gender.parquet.*neurons of X, found none"),
        (["write", "tuned.manifest.json", *EDIT, "--factor", "nan", "--to", "new"], "number that is finite, found nan"),
        (
            ["score", "run.manifest.json", "tuned.manifest.json", *EDIT, "--percentile", "101"],
            "to 100.*101; correct it",
        ),
        (["score", "run.manifest.json", "tuned.manifest.json", *EDIT, "--random", "-1"], "from 0, found -1"),
        (["--threads", "0", "groups", "gender.parquet"], "from 1, found 0"),
        (
            ["score", "tuned.manifest.json", "tuned.manifest.json", *EDIT],
            "training, found that of MelHubertModel",
        ),
        (["score", "pretrained.manifest.json", "tuned.manifest.json", *EDIT], "found that of a pre-training"),
        (["write", "tuned.manifest.json", *EDIT, "--to", "counts"], "counts.manifest.json: expected nothing there"),
        (["write", "tuned.manifest.json", *EDIT, "--to", "gender.parquet/new"], "gender.parquet.*Not a directory"),
        (["score", "run", "tuned.manifest.json", *EDIT], "run: expected a manifest, found a folder; give run.manif"),
        (["score", "run.manifest.json", "tiny.manifest.json", *EDIT], "tiny.*model that run.* trained.*found another"),
        (["score", "run.manifest.json", "twin.manifest.json", *EDIT], "twin.*model that run.* trained.*found another"),
    ],
)
def test_a_wrong_use_is_told_what_to_do_and_changes_nothing(said, folder, arguments, message):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    code, told = said(*arguments)
    assert code in (1, 2)
    assert pd.Series([told.replace("\n", " ")]).str.contains(message).all(), told
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_model_made_of_the_trained_one_goes_under_its_head(folder, tmp_path, monkeypatch):
    """However often it was edited or cut, and from anywhere; one whose original has changed since, or is gone, not."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    table = read_table("gender.parquet")
    save_edited("edited", "edited.manifest.json", "tuned.manifest.json", Edit(("F",)), table)
    prune_model("cut", "cut.manifest.json", "edited.manifest.json", Cut("norm", rows=7), neurons={})
    for name in ("tuned", "edited", "cut"):
        loaded = load_fine_tuned(folder / "run.manifest.json", model=f"{name}.manifest.json")
        assert [site.width for site in loaded.encoder.sites] == ([7, 7] if name == "cut" else [WIDTH, WIDTH])
    training = folder / "run.manifest.json"
    monkeypatch.chdir("/")
    load_fine_tuned(training, model=tmp_path / "cut.manifest.json")
    shutil.copy(tmp_path / "twin.manifest.json", tmp_path / "tuned.manifest.json")
    with pytest.raises(ModelError, match=r"tuned.manifest.json: .* that .*/cut.manifest.json was made of .*made anew"):
        load_fine_tuned(training, model=tmp_path / "cut.manifest.json")
    (tmp_path / "tuned.manifest.json").unlink()
    with pytest.raises(ModelError, match=r"edited.manifest.json: expected .* at tuned.manifest.json, found nothing"):
        load_fine_tuned(training, model=tmp_path / "cut.manifest.json")


def test_an_exported_set_names_modules_and_neurons_for_other_programs(said, folder):
    path = folder / "female.json"
    code, told = said("export", "tuned.manifest.json", "gender.parquet", "--groups", "F", "--to", path)
    assert code in (0, None), told
    exported = read_json(path)
    assert [(site["layer"], site["neurons"]) for site in exported["neurons"]] == [(1, [3]), (2, [5])]
    assert exported["model_digest"] == read_json(folder / "tuned.manifest.json")["digest"]
    encoder = load_encoder(folder / "tuned")
    for site in exported["neurons"]:
        second = encoder.model.get_submodule(site["module"])
        by_pyvene = eval(f"model.{site['component'].removesuffix('.input')}", {"model": encoder.model})
        assert by_pyvene is second
        assert second.in_features == site["width"] == WIDTH
    code, told = said("export", "tuned.manifest.json", "gender.parquet", "--groups", "F", "--to", path)
    assert code == 1
    assert "female.json: expected no file of that name" in told
    path.unlink()


def test_an_exported_set_numbers_networks_as_tables_do():
    """A conformer has two in each block."""
    sites = [Site(block, f"{block}.{half}", "a.0", "b.0", 4) for block in (1, 2) for half in (1, 2)]
    masks = [np.arange(4) == place for place in range(4)]
    exported = exported_set(masks, sites, {})["neurons"]
    assert [one["layer"] for one in exported] == [1, 2, 3, 4]
    assert [one["block"] for one in exported] == [1, 1, 2, 2]
    assert [one["neurons"] for one in exported] == [[0], [1], [2], [3]]
