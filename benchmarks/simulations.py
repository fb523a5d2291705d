"""Simulations of the statistics on made-up speech, where the truth is known: uniform p, discoveries, power, coverage.

    .venv/bin/python benchmarks/simulations.py --studies 60 --out simulations.json

The made-up counts are those of the unit tests, with more studies of each kind.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kstest, norm
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/unit"))

from made_units import runs_of_phones, speakers_and_phones, summed_up, utterances_of_speakers
from test_scoring import coverage

from property_neurons.counting.unit_count_store import UnitCounts
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.statistics.labelled_sets import SiteUnits
from property_neurons.neurons.statistics.null import p_of_size, site_null
from property_neurons.neurons.statistics.report import neuron_statistics

Made = Callable[[np.random.Generator], UnitCounts]
NOTHING: dict[str, Made] = {
    "speakers": lambda rng: speakers_and_phones(rng, speakers=16, phones=2, neurons=40, spread=0.01),
    "utterances within speakers": utterances_of_speakers,
    "runs": lambda rng: runs_of_phones(rng, neurons=40, runs=10),
    "runs summed up": lambda rng: summed_up(runs_of_phones(rng, neurons=40, runs=10)),
}
PLANTED: dict[str, Made] = {
    "speakers": lambda rng: speakers_and_phones(rng, speakers=20, planted=12, raised=0.03, spread=0.005),
    "runs": lambda rng: runs_of_phones(rng, planted=12, raised=0.12, runs=30),
}


def main() -> None:
    """Simulate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=100, help="made-up studies of each kind")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    with threadpool_limits(1):
        for kind, make in NOTHING.items():
            found[f"nothing, {kind}"] = of_nothing(make, arguments.studies)
        for kind, make in PLANTED.items():
            found[f"planted, {kind}"] = of_planted(make, arguments.studies)
        for speakers in (10, 20, 40):
            found[f"AUROC of {speakers} speakers"] = of_auroc(speakers, arguments.studies)
        few, many = coverage(300, 300), coverage(300, 300, speakers=40, per_speaker=10)
        found["intervals of 5 speakers x 60"] = {"speakers": few[0], "utterances": few[1]}
        found["intervals of 40 speakers x 10"] = {"speakers": many[0], "utterances": many[1]}
    print(json.dumps(found, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def of_nothing(make: Made, studies: int) -> dict[str, float]:
    """p of neurons where labels mean nothing: as of a uniform distribution, and how often something is found."""
    rng, p, of_sizes, any_found = np.random.default_rng(3), [], [], 0
    for study in range(studies):
        found = site_null(SiteUnits(make(rng), 0, SetDefinition()), permutations=199, seed=study)
        p.append(found.p[-1])
        of_sizes.append(p_of_size(found.observed_sizes[-1], found.sizes[-1]))
        any_found += int((found.q <= 0.05).any())
    # A p of k / 200 stands for all up to it.
    spread = np.concatenate(p) - rng.random(len(p) * len(p[0])) / 200
    return {
        "Kolmogorov-Smirnov p": float(kstest(spread, "uniform").pvalue),
        "share of neurons with p <= 0.05": float(np.mean(np.concatenate(p) <= 0.05)),
        "share of studies with p of |P| <= 0.05": float(np.mean(np.array(of_sizes) <= 0.05)),
        "share of studies with any q <= 0.05": any_found / studies,
    }


def of_planted(make: Made, studies: int) -> dict[str, float]:
    """12 neurons that do belong to a group: how many have q <= 0.05, and how many of those found do not."""
    rng, power, false = np.random.default_rng(7), [], []
    for study in range(studies):
        found = site_null(SiteUnits(make(rng), 0, SetDefinition()), permutations=499, seed=study).q[-1] <= 0.05
        power.append(found[:12].mean())
        false.append(found[12:].sum() / max(1, found.sum()))
    return {"power": float(np.mean(power)), "false discovery rate": float(np.mean(false))}


def of_auroc(speakers: int, studies: int) -> dict[str, float]:
    """Held-out AUROC beside the true one, and how often the range over splits holds it."""
    rate, raised, spread, phones, frames = 0.04, 0.03, 0.015, 4, 400
    # A speaker's score varies with the speaker, and as a share of so many frames does.
    variance = 2 * spread**2 + sum(one * (1 - one) / (phones * frames) for one in (rate, rate + raised))
    truth = float(norm.cdf(raised / np.sqrt(variance)))
    rng, held, means = np.random.default_rng(11), 0, []
    for study in range(studies):
        units = speakers_and_phones(
            rng, speakers=speakers, n=frames, rate=rate, planted=30, raised=raised, spread=spread
        )
        table = neuron_statistics(units, SetDefinition(), permutations=0, halves=20, seed=study).stability
        row = table[(table["layer"] == 1) & (table["group"] == "g1")].iloc[0]
        means.append(row["auroc"])
        held += row["auroc_low"] <= truth <= row["auroc_high"]
    return {
        "true AUROC": truth,
        "mean of the held-out AUROC": float(np.mean(means)),
        "its standard deviation over studies": float(np.std(means)),
        "share of ranges that hold the true one": held / studies,
    }


if __name__ == "__main__":
    main()
