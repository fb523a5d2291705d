"""The doctor's rough times against what was measured (docs/scale.md, docs/benchmarks.md, docs/results.md)."""

from pathlib import Path

import pytest
import yaml

from property_neurons.config.load import load_config
from property_neurons.doctor.examine import Report
from property_neurons.doctor.needs import default_needs
from property_neurons.doctor.shapes import Shape, shape_of
from property_neurons.doctor.speech import LIBRISPEECH
from property_neurons.doctor.times import TimeUse, not_estimated, operations, time_uses, together, with_gpu
from property_neurons.stores.files import write_json

CONFIGS = Path(__file__).resolve().parents[2] / "config"


def config_of(name, tmp_path, **sections):
    content = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    return load_config(content | {"results": str(tmp_path / "results"), "data_root": str(tmp_path)} | sections)


def times_of(config):
    return {use.what: use for use in time_uses(config, default_needs(config))}


def within_twice(estimated, measured):
    return measured / 2 <= estimated <= measured * 2


@pytest.mark.parametrize(
    ("method", "measured"),
    [
        # benchmarks/growth.py, CPU seconds; frames with YAAPT: 55 s for four jobs of the finished workflow.
        ("praat", {"scan of demo": 11.5 + 1.9 + 0.6 + 0.6, "frames and F0 of demo": 6.1}),
        ("yaapt", {"frames and F0 of demo": 55}),
    ],
)
def test_the_default_corpus(tmp_path, method, measured):
    demo = {"kind": "demo", "voices": 24, "minutes": 16, "shards": 4, "pitch": {"method": method}}
    times = times_of(config_of("config", tmp_path, corpora={"demo": demo}))
    for what, seconds in measured.items():
        # A job's start is counted generously: it is most of the first of these.
        assert within_twice(times[what].core, seconds) or times[what].core - seconds < 20, what
    # 8 jobs, 113 s.
    ranks = [use.core for what, use in times.items() if what.startswith("ranks")]
    assert len(ranks) == 2
    assert within_twice(sum(ranks), 113)


def test_the_whole_default_target(tmp_path):
    # 204 s on two cores, of which the scaling of patterns took 134 s of one core and takes about 40 s now.
    assert within_twice(together(list(times_of(config_of("config", tmp_path)).values())), 2 * 204 - 94)


def test_base_models_on_a_core_and_on_a_gpu(tmp_path):
    hubert, melhubert = Shape((3072,) * 12, 94_400_000, 12, 768), Shape((3072,) * 12, 90_200_000, 12, 768, False, False)
    # GFLOP a second of speech, as torch counts them.
    assert operations(hubert, 1, 1) == pytest.approx(13.9e9, rel=0.1)
    assert operations(melhubert, 1, 1) == pytest.approx(9.0e9, rel=0.1)
    config = config_of("paper", tmp_path)
    needs = default_needs(config)
    uses = {use.what: use for use in time_uses(config, needs)}
    # 5.55 hours of speech an hour of CPU.
    assert uses["ranks of hubert-base on dev-clean"].core == pytest.approx(
        LIBRISPEECH["dev-clean"][0] / 5.55 * 3600, rel=0.15
    )
    trainings = [use.gpu for what, use in uses.items() if what.startswith("pre-training")]
    assert len(trainings) == 2
    assert sum(trainings) == pytest.approx(46 * 3600, rel=0.1)


def test_whisper_reads_windows_of_30_seconds(tmp_path):
    config = config_of("sample", tmp_path)
    whisper = shape_of(config, "whisper-tiny-en")
    assert operations(whisper, 3000, 1000) == pytest.approx(10 * operations(whisper, 3000, 1))


def test_what_is_done_takes_no_time(tmp_path):
    config = config_of("config", tmp_path)
    before = times_of(config)["ranks of melhubert-mini on demo"]
    for shard in ("demo-000", "demo-001"):
        assert before.lacking > 0
        write_json(f"{config.results}/ranks/melhubert-mini/demo/{shard}.manifest.json", {})
        before = times_of(config).get("ranks of melhubert-mini on demo", TimeUse("", "", 0, 0, 0))
    assert before.lacking == 0


def test_times_are_shown_and_what_has_none_is_named(tmp_path):
    uses = [TimeUse("scan of a", "b", 90, None), TimeUse("ranks of m on a", "c", 7200, 30, 0.5)]
    report = str(Report("results", [], [], uses, ["the training of t"], []))
    assert "scan of a" in report
    assert (together(uses), with_gpu(uses)) == (90 + 3600, (15, 90))
    lines = [line.split() for line in report.splitlines()]
    assert ["ranks", "of", "m", "on", "a", "1.0", "h", "15", "s", "c"] in lines
    together_line = next(" ".join(line) for line in lines if line[:1] == ["together,"])
    assert together_line == "together, for the default target 1.0 h 15 s with the GPU, 1.5 min on a core besides"
    assert "Not estimated: the training of t." in report


def test_trainings_of_tasks_have_no_estimate(tmp_path):
    config = config_of("config", tmp_path)
    assert not_estimated(config, default_needs(config)) == []
    tuned = {"m": {"kind": "shipped", "name": "melhubert-mini"}, "t": {"kind": "tuned", "of": "m", "task": "pr-tuned"}}
    config = config_of(
        "config", tmp_path, models=tuned, pruning={}, erasure={}, browser={}, figures={"corpus": "demo", "model": "t"}
    )
    assert not_estimated(config, default_needs(config)) == ["the training of t"]


def test_other_trainings_and_passes_without_an_estimate_are_named(tmp_path):
    models = {
        "m": {"kind": "shipped", "name": "melhubert-mini"},
        "w": {"kind": "pruned", "of": "m", "criterion": "wanda", "rows": 9},
        "g": {"kind": "pruned", "of": "m", "criterion": "l0", "rows": 9},
        "d": {"kind": "distilled", "of": "w", "teacher": "m", "corpus": "demo", "steps": 9},
    }
    units = {"model": "m", "layer": 1, "clusters": 9}
    clusters = {"units": units, "not-used": units, "voices": {"of": "speakers", "clusters": 2}}
    properties = {"unit": {"clusters": "units"}, "voice": {"clusters": "voices"}}
    changed = {
        "models": models,
        "clusters": clusters,
        "properties": properties,
        "pruning": {},
        "erasure": {},
        "browser": {},
    }
    config = config_of("config", tmp_path, **changed, figures={"corpus": "demo", "model": "m"})
    assert set(not_estimated(config, default_needs(config))) == {
        "the calibration of w",
        "the learning of g's gates",
        "the distillation of d",
        "the pass of a model for clusters units",
    }


def test_permutations_and_steps_on_a_gpu_take_their_time(tmp_path):
    few, many = (
        times_of(config_of("config", tmp_path, statistics={"permutations": n}))["counts, neurons, planes, figures"].core
        for n in (100, 10_100)
    )
    assert many - few == pytest.approx(2 * 4 * 5 * 10)
    # However little there is to calculate, a GPU takes milliseconds for a step.
    config = config_of("melhubert-mini", tmp_path)
    for run in default_needs(config).runs:
        steps = [stage.steps for stage in config.pretraining[run].stages]
        uses = [use for what, use in times_of(config).items() if what.startswith(f"pre-training {run},")]
        assert [use.gpu >= 0.01 * n for use, n in zip(uses, steps, strict=True)] == [True] * len(steps)
