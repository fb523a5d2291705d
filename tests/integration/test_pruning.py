"""Models cut out of others, by the real workflow on the reduced default configuration."""

import copy

import pytest

from property_neurons.models.loading import load_encoder
from property_neurons.stores.files import read_json, read_table

pytestmark = [pytest.mark.integration, pytest.mark.slow]

CUTS = {
    "protect": {"criterion": "protect"},
    "norm": {"criterion": "norm"},
    "frequent": {"criterion": "frequency", "keep": 0.1},
    "gated": {"criterion": "l0", "keep": 0.1},
}
TARGETS = [f"results/models/{name}.manifest.json" for name in ("norm", "frequent", "gated")]
TARGETS += ["results/neurons/protect/demo/phone.parquet"]


def with_cuts(config, **changes):
    content = copy.deepcopy(config)
    for name, cut in CUTS.items():
        content["models"][name] = {"kind": "pruned", "of": "melhubert-mini"} | cut | changes.get(name, {})
    quick = {"gates": {"steps": 3, "batch_size": 1}, "calibration": {"utterances": 2}}
    content["pruning"] = content.get("pruning", {}) | quick
    # The figures stay those of the models they were drawn for.
    content["figures"]["compare"] = ["melhubert-mini", "melhubert-mini-random"]
    return content


def test_cuts_follow_the_sets_and_only_what_depends_on_a_setting_runs_again(finished, config):
    finished.configure(with_cuts(config))
    planned = finished.planned_rules(*TARGETS)
    # The whole model's ranks serve; only the property that no figure shows is counted, and the cut model read.
    assert planned == {"prune_model", "learn_gates", "count_activations", "count_units", "find_neurons", "rank_neurons"}
    finished.snakemake(*TARGETS)
    assert finished.planned(*TARGETS) == {}

    results = finished.folder / "results"
    tables = [
        read_table(results / f"neurons/melhubert-mini/demo/{name}.parquet")
        for name in ("phone", "single_phone", "gender", "pitch")
    ]
    record = read_json(results / "models/protect/pruning.json")
    for layer, kept in enumerate(record["kept"], start=1):
        sets = [set(table.loc[table["exclusive"] & (table["layer"] == layer), "neuron"]) for table in tables]
        assert set(kept) == set.union(*sets)
    widths = [len(kept) for kept in record["kept"]]
    assert [len(kept) for kept in read_json(results / "models/norm/pruning.json")["kept"]] == widths
    assert [site.width for site in load_encoder(results / "models/protect").sites] == widths
    frequent = load_encoder(results / "models/frequent", manifest=results / "models/frequent.manifest.json")
    assert [site.width for site in frequent.sites] == [77] * 6
    assert read_json(results / "models/gated/pruning.json")["calibration"]["utterances"] == 2
    assert [len(kept) for kept in read_json(results / "models/gated/pruning.json")["kept"]] == [77] * 6
    found = read_table(results / "neurons/protect/demo/phone.parquet")
    assert found.groupby("layer")["width"].first().tolist() == widths

    finished.configure(with_cuts(config, norm={"bias": False}))
    assert set(finished.planned(*TARGETS)) == {"models/norm", "models/norm.manifest.json"}
