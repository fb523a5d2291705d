"""Paths that inputs are taken from are those that rules make: `plan.paths` against the `output:` of the rules."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from property_neurons.plan import paths

RULES = Path(__file__).resolve().parents[2] / "rules"
MADE = {
    # `log_mel` and `log_mel_coded` are made by one rule.
    pattern.replace("{{", "{").replace("}}", "}").replace("{coded}", coded)
    for coded in ("", "_coded")
    for file in RULES.glob("*.smk")
    for pattern in re.findall(r'f"\{RESULTS\}/([^"]+)"', file.read_text())
}
CONFIG = SimpleNamespace(results="")


@pytest.mark.parametrize(
    "path",
    [
        paths.manifest(paths.corpus(CONFIG, "{corpus}") + "/source"),
        paths.manifest(paths.corpus(CONFIG, "{corpus}") + "/alignments/{subset}"),
        paths.manifest(paths.subset(CONFIG, "{corpus_name}", "{subset_name}") + "/tables"),
        paths.subset(CONFIG, "{corpus_name}", "{subset_name}") + "/utterances.parquet",
        paths.manifest(paths.frames(CONFIG, "{corpus}") + "/{shard}"),
        paths.manifest(paths.log_mel(CONFIG, "{corpus}") + "/{shard}"),
        paths.manifest(paths.coded_log_mel(CONFIG, "{corpus}") + "/{shard}"),
        paths.manifest(paths.model(CONFIG, "{model}")),
        paths.manifest(paths.ranks(CONFIG, "{model}", "{corpus}") + "/{shard}"),
        paths.manifest(paths.counts(CONFIG, "{model}", "{corpus}", "{property}")),
        paths.neurons(CONFIG, "{model}", "{corpus}", "{property}"),
        paths.neurons(CONFIG, "{model}", "{corpus}", "{property}").replace(".parquet", ".summary.tsv"),
        paths.embedding(CONFIG, "{model}", "{corpus}", "{property}") + ".points.tsv",
        paths.embedding(CONFIG, "{model}", "{corpus}", "{property}") + ".silhouettes.tsv",
        paths.manifest(paths.targets(CONFIG, "{run}", "{stage}") + "/{shard}"),
        paths.manifest(paths.checkpoint(CONFIG, "{run}", "{stage}")),
        paths.manifest(paths.task_data(CONFIG, "{data}")),
        paths.manifest(paths.training(CONFIG, "{task}", "{model}", "{seed}")),
        paths.metrics(CONFIG, "{task}", "{model}", "{seed}"),
        paths.manifest(paths.states(CONFIG, "{model}", "{corpus}")),
    ],
)
def test_a_rule_makes_it(path):
    assert path.removeprefix("/") in MADE
