"""The doctor: every finding, with what was expected, what was found and what to do."""

import json
import os
import re
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
import torch
import yaml
from doctor_inputs import TEXTGRIDS, libri_speech

from property_neurons.config.expand_studies import expand
from property_neurons.config.load import load_config
from property_neurons.config.models import PretrainedModel, TunedModel
from property_neurons.doctor import __main__ as command
from property_neurons.doctor import checkpoints, machine, slurm, software, speech
from property_neurons.doctor import examine as command_examine
from property_neurons.doctor.disk import _PROBED_FRAMES, DiskUse, disk_uses, rank_bytes
from property_neurons.doctor.examine import examine
from property_neurons.doctor.finding import Finding, ordered, verdict
from property_neurons.doctor.machine import cache_findings, gpu_findings, space_findings
from property_neurons.doctor.needs import all_needs, default_needs
from property_neurons.doctor.profile import read_profile
from property_neurons.doctor.shapes import Shape, shape_of
from property_neurons.doctor.slurm import slurm_findings
from property_neurons.doctor.software import package_findings
from property_neurons.doctor.sources import corpus_findings, model_findings, task_findings
from property_neurons.doctor.speech import Speech, speech_of
from property_neurons.plan import sources
from property_neurons.progress import duration
from property_neurons.stores.files import write_table
from property_neurons.stores.manifests import describe_files, record_digest, write_manifest

CONFIGS = Path(__file__).resolve().parents[2] / "config"


HUB_MODEL = namedtuple("info", "siblings")(
    [namedtuple("file", "rfilename")(name) for name in ("config.json", "model.safetensors")]
)


def base_model(folder):
    folder.mkdir(parents=True)
    fields = {"model_type": "hubert", "num_hidden_layers": 12, "hidden_size": 768, "intermediate_size": 3072}
    (folder / "config.json").write_text(json.dumps(fields))
    safetensors.numpy.save_file({"w": np.zeros(8, np.float32)}, folder / "model.safetensors")
    return folder


@pytest.fixture
def healthy(tmp_path):
    """A config whose corpus and model are there; keyword arguments replace its sections."""
    libri_speech(tmp_path)
    model = base_model(tmp_path / "model")

    def make(**sections):
        corpus = {"kind": "librispeech", "root": "LibriSpeech", "subsets": {"a": {"shards": 2}}}
        content = {
            "data_root": str(tmp_path),
            "results": str(tmp_path / "results"),
            "corpora": {"libri": corpus | {"alignments": TEXTGRIDS}},
            "models": {"m": {"kind": "folder", "path": str(model)}},
            "figures": {"corpus": "libri", "model": "m"},
        }
        return load_config(content | sections)

    return make


def only(findings):
    (finding,) = findings
    assert all((finding.about, finding.expected, finding.found, finding.remedy))
    return finding


def corpora_of(config):
    return list(corpus_findings(config, default_needs(config)))


def models_of(config):
    return list(model_findings(config, default_needs(config)))


def test_nothing_is_found_where_all_is_well(healthy):
    report = examine(healthy())
    assert report.findings == []
    assert not report.fatal
    assert str(report).endswith("Nothing found that would stop the workflow.")
    assert re.search(
        r"ranks of m on libri +\d+ kB +1\.0 s \(by the size of the audio files\), 12 x 61 ids", str(report)
    )


def test_fatal_findings_come_first_and_each_says_four_things():
    mild, fatal = Finding("a", "b", "c", "d", fatal=False), Finding("key", "this", "that", "do so")
    assert ordered([mild, fatal]) == [fatal, mild]
    assert str(fatal) == "FATAL  key\n  expected  this\n  found     that\n  do        do so"
    assert verdict([mild, fatal]) == "1 fatal, 1 to be warned of."


@pytest.mark.parametrize(
    ("removed", "about", "expected"),
    [
        ("LibriSpeech", "corpora.libri.root", "a folder with SPEAKERS.TXT"),
        ("LibriSpeech/SPEAKERS.TXT", "corpora.libri.root", "genders at .*SPEAKERS.TXT"),
        ("LibriSpeech/a", "corpora.libri.subsets.a", "a folder of audio at .*LibriSpeech/a"),
        ("LibriSpeech/a/1/2/1-2-0001.flac", "corpora.libri.subsets.a", "files ending in .flac"),
        ("alignments", "corpora.libri.alignments.path", "a folder of TextGrids at .*alignments/a"),
        ("alignments/a/1/2/1-2-0001.TextGrid", "corpora.libri.alignments.path", "files ending in .textgrid"),
    ],
)
def test_a_missing_part_of_a_corpus(healthy, tmp_path, removed, about, expected):
    path = tmp_path / removed
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    finding = only(corpora_of(healthy()))
    assert finding.about == about
    assert re.search(expected, finding.expected)
    assert finding.fatal


def test_missing_files_of_the_authors_labels_and_bins(healthy):
    labels = {"kind": "framewise", "path": "labels-{subset}.json", "labels": "ids.json"}
    pitch = {"method": "bins", "path": "bins.json"}
    corpus = {"kind": "librispeech", "root": "LibriSpeech", "subsets": ["a"], "alignments": labels, "pitch": pitch}
    found = corpora_of(healthy(corpora={"libri": corpus}))
    keys = ("alignments.path", "alignments.labels", "pitch.path")
    assert [finding.about for finding in found] == [f"corpora.libri.{key}" for key in keys]


def test_pocketsphinx_needs_transcripts_and_no_alignments(healthy, tmp_path):
    shutil.rmtree(tmp_path / "alignments")
    corpus = {"kind": "librispeech", "root": "LibriSpeech", "subsets": ["a"], "alignments": {"kind": "pocketsphinx"}}
    finding = only(corpora_of(healthy(corpora={"libri": corpus})))
    assert (finding.about, finding.fatal) == ("corpora.libri.alignments", True)
    assert ".trans.txt" in finding.expected
    (tmp_path / "LibriSpeech/a/1/2/1-2.trans.txt").write_text("1-2-0001 WORDS\n")
    assert corpora_of(healthy(corpora={"libri": corpus})) == []


def test_what_the_default_target_does_not_need_is_only_warned_of(healthy):
    corpora = {"libri": healthy().corpora["libri"].model_dump(), "vox": {"kind": "voxceleb1", "root": "nowhere"}}
    found = corpora_of(healthy(corpora=corpora))
    assert [finding.about for finding in found] == [f"corpora.vox.{key}" for key in ("root", "split", "meta")]
    assert not any(finding.fatal for finding in found)


def test_a_prepared_model_needs_its_source_no_more(healthy, tmp_path):
    shutil.rmtree(tmp_path / "model")
    manifest = tmp_path / "results/models/m.manifest.json"
    manifest.parent.mkdir(parents=True)
    sites = [{"width": 100}] * 3
    write_manifest(manifest, {"sites": sites, "n_parameters": 10, **describe_files(manifest.parent)})
    assert models_of(healthy()) == []
    assert shape_of(healthy(), "m") == Shape((100, 100, 100), 10, 12, 768)


def test_a_gpu_is_asked_for_but_torch_is_a_cpu_build(healthy, monkeypatch):
    config = healthy(device="cuda")
    monkeypatch.setattr(torch.version, "cuda", None)
    for on_cluster in (False, True):
        finding = only(gpu_findings(config, default_needs(config), on_cluster))
        assert "a CPU build" in finding.found
        assert "set device: cpu" in finding.remedy
    auto = healthy()
    assert list(gpu_findings(auto, default_needs(auto), on_cluster=False)) == []
    # Its jobs ask for GPUs, and refuse to run on the CPU where they are given one.
    finding = only(gpu_findings(auto, default_needs(auto), on_cluster=True))
    assert finding.expected.startswith("device: auto, and a profile whose jobs ask for GPUs")
    assert finding.fatal
    assert list(gpu_findings(healthy(device="cpu"), default_needs(config), on_cluster=True)) == []


@pytest.mark.parametrize(("executor", "fatal"), [("slurm", True), (None, False)])
def test_only_profiles_that_submit_ask_for_gpus_of_nodes(healthy, tmp_path, monkeypatch, executor, fatal):
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(slurm.shutil, "which", lambda _: None)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"executor": executor, "cores": 4}))
    assert examine(healthy(), tmp_path).fatal == fatal


def test_a_gpu_is_asked_for_and_there_is_none_or_too_few(healthy, monkeypatch):
    run = {"corpus": "libri", "gpus": 4, "stages": [{"steps": 1, "save_every": 50}]}
    config = healthy(device="cuda", pretraining={"r": run}, models={"m": {"kind": "pretrained", "run": "r"}})
    needed = default_needs(config)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "no GPU" in only(gpu_findings(config, needed, on_cluster=False)).found
    assert list(gpu_findings(config, needed, on_cluster=True)) == []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    finding = only(gpu_findings(config, needed, on_cluster=False))
    assert (finding.about, finding.expected, finding.fatal) == ("pretraining.r.gpus", "4 GPUs", True)


def disk(monkeypatch, free):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage(0, 0, free))


def test_no_room_on_disk(healthy, monkeypatch):
    some, more = [DiskUse("ranks", "", 5e9, 4e9)], [DiskUse("ranks", "", 9e9, 8e9)]
    disk(monkeypatch, 3e9)
    finding = only(space_findings(healthy(), some, more))
    assert finding.fatal
    assert "4.0 GB still to be written for the default target" in finding.expected
    assert (finding.found, "free 1.0 GB" in finding.remedy) == ("3.0 GB free", True)
    disk(monkeypatch, 5e9)
    assert not only(space_findings(healthy(), some, more)).fatal
    disk(monkeypatch, 9e9)
    assert list(space_findings(healthy(), some, more)) == []


def test_results_that_cannot_be_written(healthy, monkeypatch):
    monkeypatch.setattr(machine, "_writable", lambda _: False)
    assert "is read-only" in only(space_findings(healthy(), [], [])).found


def test_a_cache_that_is_not_there_or_read_only_is_a_warning(healthy, tmp_path, monkeypatch):
    assert list(cache_findings(healthy())) == []
    config = healthy(cache=str(tmp_path / "cache"))
    finding = only(cache_findings(config))
    assert (finding.found, finding.remedy.split(",")[0], finding.fatal) == (
        "nothing",
        f"mkdir -p {config.cache}",
        False,
    )
    assert finding in examine(config).findings
    (tmp_path / "cache").touch()
    assert only(cache_findings(config)).found == "a file"
    (tmp_path / "cache").unlink()
    (tmp_path / "cache").mkdir()
    assert list(cache_findings(config)) == []
    (tmp_path / "cache/ranks").mkdir()
    monkeypatch.setattr(machine, "_writable", lambda folder: folder.name != "ranks")
    assert only(cache_findings(config)).found == f"{tmp_path}/cache/ranks is read-only"


def test_versions_are_held_against_pyproject(tmp_path):
    assert list(package_findings()) == []
    project = tmp_path / "pyproject.toml"
    dependencies = ["numpy>=1000", "no-such-package>=1", "pandas"]
    project.write_text(f'[project]\nrequires-python = ">=4"\ndependencies = {json.dumps(dependencies)}\n')
    python, numpy, absent = package_findings(project)
    assert (python.expected, python.about) == ("Python >=4", "Python")
    assert (numpy.expected, numpy.found) == ("numpy >=1000", np.__version__)
    assert (absent.about, absent.found) == ("package no-such-package", "not installed")
    assert list(package_findings(tmp_path / "absent.toml")) == []


PROFILES = {
    "mapping": {
        "executor": "slurm",
        "default-resources": {"slurm_partition": "cpu", "mem_mb": 1},
        "set-resources": {"rank_neurons": {"slurm_partition": "gpu"}},
    },
    "entries": {
        "executor": "slurm",
        "default-resources": ["slurm_partition='cpu'", "mem_mb=1"],
        "set-resources": ["rank_neurons:slurm_partition=gpu"],
    },
    "expression": {"executor": "slurm", "default-resources": {"slurm_partition": "'gpu' if gpu else 'cpu'"}},
}


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A function that puts a sinfo of a given answer on the path, and gives a profile."""
    monkeypatch.setattr(slurm.importlib.util, "find_spec", lambda _: object())

    def make(profile, script):
        folder = tmp_path / "profiles/slurm"
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(profile))
        (tmp_path / "bin").mkdir()
        if script is not None:
            sinfo = tmp_path / "bin/sinfo"
            sinfo.write_text(f"#!/bin/sh\n{script}\n")
            sinfo.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin" + (":/bin:/usr/bin" if script else ""))
        return read_profile(folder)[0]

    return make


@pytest.mark.parametrize("form", PROFILES)
def test_an_unknown_partition(cluster, form):
    finding = only(slurm_findings(cluster(PROFILES[form], 'printf "cpu\\nlong\\n"')))
    assert finding.expected == "the partition gpu"
    assert finding.found == "only cpu, long (sinfo)"
    assert finding.fatal


@pytest.mark.parametrize("form", PROFILES)
def test_known_partitions(cluster, form):
    assert list(slurm_findings(cluster(PROFILES[form], 'printf "cpu\\ngpu\\n"'))) == []


def test_slurm_that_does_not_answer(cluster):
    assert only(slurm_findings(cluster(PROFILES["mapping"], "echo down >&2; exit 1"))).found == "down"


def test_no_slurm_here(cluster):
    finding = only(slurm_findings(cluster(PROFILES["mapping"], None)))
    assert (finding.found, finding.fatal) == ("no sinfo", False)


def test_no_executor_plugin(cluster, monkeypatch):
    profile = cluster(PROFILES["mapping"], 'printf "cpu\\ngpu\\n"')
    monkeypatch.setattr(slurm.importlib.util, "find_spec", lambda _: None)
    assert "snakemake-executor-plugin-slurm" in only(slurm_findings(profile)).remedy


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "nothing; there: slurm"), ("a: b: c", "mapping values are not allowed"), ("", "no options in it")],
)
def test_a_profile_that_cannot_be_read(healthy, cluster, tmp_path, content, found):
    cluster(PROFILES["mapping"], 'printf "cpu\\ngpu\\n"')
    folder = tmp_path / "profiles/slrum"
    if content is not None:
        folder.mkdir()
        (folder / "config.yaml").write_text(content)
    profile, findings = read_profile(folder)
    assert found in only(findings).found
    assert list(slurm_findings(profile)) == []
    assert findings[0] in examine(healthy(), folder).findings


def test_sizes_of_the_paper():
    config = load_config(yaml.safe_load((CONFIGS / "paper.yaml").read_text()))
    assert speech_of(config, "train-960").utterances == 281_241
    assert speech_of(config, "train-960").seconds == pytest.approx(961 * 3600, rel=0.01)
    shape = shape_of(config, "melhubert")
    assert shape.widths == (3072,) * 12
    # 50 frames a second x 12 layers x 61 ids x 12 bits.
    assert rank_bytes(shape, 3600, config) == 3600 * 50 * 12 * 61 * 12 / 8
    needs = default_needs(config)
    assert set(needs.corpora) == {"dev-clean", "train-960"}
    assert ("melhubert", "train-clean-100-sets") in all_needs(config).ranks
    assert "log-Mel frames of train-960" in [use.what for use in disk_uses(config, needs)]


def test_edited_models_and_erasures_are_read_too(healthy):
    edited = {"kind": "edited", "of": "m", "property": "gender", "groups": ["F"]}
    config = healthy(
        models={"m": healthy().models["m"].model_dump(), "no-female": edited},
        splits={"seen": {"by": "utterance", "corpus": "libri"}},
        tasks={"sid": {"kind": "speaker_identification", "mode": "fine_tuned", "split": "seen"}},
        erasure={"table1": {"model": "m", "task": "sid", "corpus": "libri", "property": "gender"}},
        figures={"corpus": "libri", "model": "m", "compare": ["m"]},
    )
    assert list(default_needs(config).ranks) == [("m", "libri")]
    assert list(all_needs(config).ranks) == [("m", "libri"), ("sid-m-s0", "libri")]
    assert shape_of(config, "no-female") == shape_of(config, "m")
    assert not shape_of(config, "no-female").assumed


def test_a_scan_that_is_damaged_is_named_and_tells_no_hours(healthy, tmp_path):
    table = tmp_path / "results/corpora/libri/subsets/a/utterances.parquet"
    table.parent.mkdir(parents=True)
    write_table(table, pd.DataFrame({"n_samples": [16_000, 32_000]}))
    record_digest(table)
    assert corpora_of(healthy()) == []
    assert speech_of(healthy(), "libri") == Speech(3.0, 2, "as scanned")
    table.write_bytes(table.read_bytes()[:-9])
    finding = only(corpora_of(healthy()))
    assert (finding.about, finding.fatal) == ("corpora.libri", True)
    assert "bytes that were written" in finding.found
    assert speech_of(healthy(), "libri").source == "by the size of the audio files"
    table.with_name(".utterances.parquet.digest").unlink()
    assert "expected a readable table" in only(corpora_of(healthy())).found


def test_folders_that_cannot_be_looked_into(healthy, tmp_path, monkeypatch):
    """Permissions would not hold root back."""

    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(speech.os, "scandir", denied)
    monkeypatch.setattr(sources.os, "access", lambda path, mode: mode == os.F_OK or Path(path).is_file())
    subsets = {"libri": healthy().corpora["libri"].model_dump() | {"subsets": {"dev-clean": {"shards": 2}}}}
    (tmp_path / "LibriSpeech/dev-clean").mkdir()
    config = healthy(corpora=subsets)
    assert {finding.found for finding in corpora_of(config)} == {"no permission to read it"}
    assert speech_of(config, "libri").source == "known size of LibriSpeech"


def test_a_lexicon_that_is_absent(healthy, tmp_path):
    tasks = {"pr": {"kind": "phone_recognition", "split": "seen", "lexicon": str(tmp_path / "lexicon.txt")}}
    sections = {"splits": {"seen": {"by": "speaker", "corpus": "libri"}}, "tasks": tasks}
    finding = only(task_findings(healthy(**sections), default_needs(healthy(**sections))))
    assert (finding.about, finding.found, finding.fatal) == ("tasks.pr.lexicon", "nothing", False)
    tasks["pr"]["mode"] = "fine_tuned"
    tuned = healthy().models["m"].model_dump(), {"kind": "tuned", "of": "m", "task": "pr"}
    sections["models"] = dict(zip(("m", "t"), tuned, strict=True))
    config = healthy(**sections)
    assert only(task_findings(config, default_needs(config))).fatal
    (tmp_path / "lexicon.txt").write_text("A  AH0\nB  XX\n")
    assert "line 2" in only(task_findings(config, default_needs(config))).found
    (tmp_path / "lexicon.txt").write_text("A  AH0\n")
    assert list(task_findings(config, default_needs(config))) == []


def test_hidden_states_that_tasks_share_take_room():
    config = load_config(yaml.safe_load((CONFIGS / "config.yaml").read_text()))
    assert not [use for use in disk_uses(config, default_needs(config)) if "hidden states" in use.what]
    (use,) = [use for use in disk_uses(config, all_needs(config)) if "hidden states" in use.what]
    seconds = speech_of(config, "demo").seconds
    models = int(use.what.split()[3])
    # float16 of the input and six blocks of 192 values, 50 frames a second.
    assert use.n_bytes == pytest.approx(models * seconds * 50 * 7 * 192 * 2)


def test_all_that_is_kept_for_a_while_takes_room():
    """Each store that a rule deletes again is estimated by a function of its own."""
    rules = "".join(file.read_text() for file in (CONFIGS.parent / "rules").glob("*.smk"))
    stores = re.findall(r'temp\(directory\(f"{RESULTS}/([^"]+)"', rules)
    assert sorted(re.sub(r"{{\w+}}", "*", path) for path in stores) == [
        "corpora/*/clusters/*/points",
        "pretraining/*/stage*/sample",
        "probes/*/*.layers",
        "states/*/*",
    ]
    assert f"max_frames={_PROBED_FRAMES}," in rules


def test_frames_and_values_that_are_stored_take_room(tmp_path):
    config = load_config(yaml.safe_load((CONFIGS / "config.yaml").read_text()) | {"results": str(tmp_path)})
    frames = speech_of(config, "demo").seconds * 50

    def room(beginning):
        uses = [use for use in disk_uses(config, all_needs(config)) if use.what.startswith(beginning)]
        assert not [use for use in disk_uses(config, default_needs(config)) if use.what.startswith(beginning)]
        return uses[0].n_bytes, uses[0].to_write

    # float32: a layer of 192 values; six of them and log-Mel frames in pairs, of two models.
    sample, probed = frames * 192 * 4, 2 * frames * (6 * 192 + 2 * 40) * 4
    assert room("frames that stage 1 of general-targets clusters") == pytest.approx((sample, sample))
    assert room("layers to probe") == pytest.approx((probed, probed))
    # As measured: 284 MB for 18 minutes.
    assert room("values of melhubert-mini on demo")[0] == pytest.approx(284e6, rel=0.05)
    for file in ("pretraining/general-targets/stage1/codebook.safetensors", "probes/melhubert-mini/demo.tsv"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
    assert room("frames that stage 1 of general-targets clusters")[1] == 0
    assert room("layers to probe")[1] == pytest.approx(probed / 2)


def test_frames_that_are_clustered_take_room():
    content = yaml.safe_load((CONFIGS / "config.yaml").read_text())
    content["clusters"] = {"units": {"model": "melhubert-mini", "layer": 3, "clusters": 8, "fit_hours": 0.1}}
    content["clusters"]["voices"] = {"of": "speakers", "clusters": 2}
    content["properties"] |= {name: {"clusters": name} for name in content["clusters"]}
    config = load_config(content)
    (use,) = [use for use in disk_uses(config, default_needs(config)) if "clusters" in use.what]
    assert (use.what, use.n_bytes) == ("frames that units clusters", pytest.approx(360 * 50 * 192 * 4))


def test_every_training_of_a_task_that_trains_the_model_takes_room():
    config = load_config(yaml.safe_load((CONFIGS / "config.yaml").read_text()))
    (use,) = [use for use in disk_uses(config, all_needs(config)) if use.what.endswith(" checkpoints")]
    trained = {(run.trained, run.model, run.seed) for run in expand(config).runs}
    folders = {one for one in trained if config.tasks[one[0]].mode == "fine_tuned"}
    folders |= {(one.task, one.of, one.seed) for one in config.models.values() if isinstance(one, TunedModel)}
    pretrained = {(one.run, one.stage) for one in config.models.values() if isinstance(one, PretrainedModel)}
    assert use.what == f"{len(folders) + len(pretrained)} checkpoints"


def test_ranks_that_are_there_need_no_more_room(healthy, tmp_path):
    before = disk_uses(healthy(), default_needs(healthy()))[0]
    done = tmp_path / "results/ranks/m/libri/a-000.manifest.json"
    done.parent.mkdir(parents=True)
    done.touch()
    after = disk_uses(healthy(), default_needs(healthy()))[0]
    assert (before.to_write, after.to_write) == (before.n_bytes, before.n_bytes / 2)


def test_every_shipped_config_can_be_examined(monkeypatch):
    monkeypatch.setattr(checkpoints.huggingface_hub.HfApi, "model_info", lambda *_, **__: HUB_MODEL)
    for file in CONFIGS.glob("*.yaml"):
        assert examine(load_config(yaml.safe_load(file.read_text()))).everything


def test_the_command_exits_with_1_only_if_something_is_fatal(healthy, tmp_path, capsys, monkeypatch):
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(healthy().model_dump(mode="json", by_alias=True, include={"data_root", "results"})))
    content = yaml.safe_load(file.read_text()) | {
        "corpora": {"libri": healthy().corpora["libri"].model_dump()},
        "models": {"m": {"kind": "folder", "path": str(tmp_path / "model")}},
        "figures": {"corpus": "libri", "model": "m"},
    }
    file.write_text(yaml.safe_dump(content))
    assert command.main(["--configfile", str(file)]) == 0
    assert "Nothing found" in capsys.readouterr().out
    assert command.main(["--configfile", str(file), "--config", "data_root=/nowhere"]) == 1
    assert (printed := capsys.readouterr().out).rstrip().endswith("1 fatal, 0 to be warned of.")
    assert "expected  the folder that the corpora's paths start from at /nowhere" in printed
    assert command.main(["--configfile", str(file), "--config", "device=gpu"]) == 1
    assert "device" in capsys.readouterr().out
    with monkeypatch.context() as denied:
        denied.setattr(
            command_examine, "disk_uses", lambda *_: (_ for _ in ()).throw(PermissionError(13, "no", "there"))
        )
        assert command.main(["--configfile", str(file)]) == 1
    assert "found [Errno 13] no: 'there'; make it readable" in capsys.readouterr().out
    absent = Finding("package x", "x", software.NOT_INSTALLED, "install it")
    monkeypatch.setattr(command, "package_findings", lambda: [absent])
    assert command.main(["--configfile", str(file)]) == 1
    assert capsys.readouterr().out.startswith("FATAL  package x")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (1, "1.0 s"),
        (59.4, "59 s"),
        (59.6, "1.0 min"),
        (1080, "18 min"),
        (3569, "59 min"),
        (3575, "1.0 h"),
        (5.4 * 3600, "5.4 h"),
        (961 * 3600, "961 h"),
        (8760 * 3600, "8,760 h"),
    ],
)
def test_durations_are_printed_in_units_that_fit(seconds, text):
    assert duration(seconds) == text
