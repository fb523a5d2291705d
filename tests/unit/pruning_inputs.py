"""Made-up runs of pruned models, of the form that `pruning.report` makes, shaped after the published bars."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from property_neurons.pruning.vocabulary import UNCUT

TASKS = {
    "pr": ("phone_recognition", "phone_error_rate", 0.0817),
    "sid": ("speaker_identification", "speaker_error_rate", 0.3604),
    "f0": ("f0_reconstruction", "lnf0_mse", 0.098),
}
# How much worse than unpruned each arm is after the last cut.
HARM = {
    "unpruned": 1.0,
    "fine_tuned": 0.97,
    "protect": 1.3,
    "norm": 1.48,
    "frequency": 1.36,
    "random_protect": 1.5,
    "random": 1.7,
}

ARMS = tuple(HARM)


def collected(
    study: str,
    tasks: Sequence[str] = tuple(TASKS),
    arms: Sequence[str] = ARMS,
    seeds: int = 3,
    sizes: Sequence[int] = (3072, 577),
) -> pd.DataFrame:
    """What `collect_runs` makes of a study whose steps leave `sizes` neurons of each of 12 layers."""
    rng = np.random.default_rng(7)
    rows = []
    for task, arm, step, seed in itertools.product(tasks, arms, range(len(sizes)), range(seeds)):
        if (step == 0) != (arm == "unpruned"):
            continue
        kind, metric, unpruned = TASKS[task]
        width = sizes[0] if arm in UNCUT else sizes[step]
        harm = 1 + (HARM[arm] - 1) * step / (len(sizes) - 1 or 1)
        value = unpruned * harm * rng.normal(1, 0.012)
        row = {
            "study": study,
            "task": task,
            "kind": kind,
            "mode": "frozen" if study == "general" else "fine_tuned",
            "metric": metric,
            "arm": arm,
            "step": step,
            "recovered": True,
            "seed": seed,
            "model": f"{arm}-{step}",
            "neurons": 12 * width,
            "neurons_per_layer": ",".join([str(width)] * 12),
            "rows": float(width),
            "share": width / sizes[0],
            "parameters": 33_500_000 + 12 * width * 1537,
            "bytes": 4 * (33_500_000 + 12 * width * 1537),
            "macs": 1e9 * width,
            "speedup_whole": 1.0 + (1 - width / sizes[0]) * 0.4,
            "speedup_encoder": 1.0 + (1 - width / sizes[0]) * 0.9,
            "real_time_factor": 0.01,
            "learning_rate": 0.001 if seed == 1 else 0.0003,
            "recovery_learning_rate": np.nan,
            "calibration": "",
            "value": value,
            "low": value * 0.97,
            "high": value * 1.035,
            "constant_mse": 0.151 if task == "f0" else np.nan,
            "r2": 1 - value / 0.151 if task == "f0" else np.nan,
            "utterances": 2620,
            "speakers": 40,
            "split_digest": f"split-of-{task}",
        }
        rows.append(row)
    table = pd.DataFrame(rows)
    mean = table.groupby(["task", "arm", "step"])["value"].transform("mean") if rows else []
    return table.assign(arm_low=mean * 0.98, arm_high=mean * 1.02)


def compared(runs: pd.DataFrame) -> pd.DataFrame:
    """What `compare_runs` would make of them: differences of means, and intervals of a plausible width."""
    rows = []
    for (study, task, metric), of_task in runs.groupby(["study", "task", "metric"], sort=False):
        means, seeds = of_task.groupby(["arm", "step"])["value"].mean(), of_task["seed"].nunique()
        for arm, step in means.index:
            pairs = [(arm, "unpruned")] if arm != "unpruned" else []
            pairs += [("protect", arm)] if arm not in ("protect", "unpruned") else []
            for first, second in pairs:
                if (first, step) in means.index:
                    first_mean = means[first, step]
                    second_mean = means[second, 0 if second == "unpruned" else step]
                    difference, half = first_mean - second_mean, 0.03 * first_mean
                    interval = (difference - half, difference + half)
                    told = (*interval, 0.01 if abs(difference) > half else 0.4, 1.4 * half)
                    rows.append(
                        (study, task, metric, step, True, first, second, difference, *told, seeds, seeds, 2620, 40)
                    )
    names = "study task metric step recovered first second difference low high q detectable seeds_first seeds_second "
    names += "utterances speakers"
    return pd.DataFrame(rows, columns=names.split())
