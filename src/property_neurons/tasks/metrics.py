"""The score of a finished training: its metric with an interval, and the baselines to compare it with."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from property_neurons.errors import TaskError
from property_neurons.stores import files, manifests
from property_neurons.tasks.intervals import few_speakers_note, mean_interval
from property_neurons.tasks.scores import rate
from property_neurons.tasks.table import Kind, TaskData, read_task_data

log = logging.getLogger(__name__)

METRICS: Mapping[Kind, str] = {
    "phone_recognition": "phone_error_rate",
    "speaker_identification": "speaker_error_rate",
    "f0_reconstruction": "lnf0_mse",
}


def score_training(training: str | Path, data: str | Path) -> dict[str, Any]:
    """The score of a finished training on the test part.

    Args:
        training: its manifest; see `train.train_task`.
        data: manifest of the task's table.

    Returns:
        task, model, kind, mode, metric, value, interval (of 95 %; see `intervals`), utterances and speakers (of the
        test part), seed, settings (with the learning rate that was chosen), learning_rates (the dev value of each,
        where several were tried), dev (step and value of the state that was chosen), split_digest, parts (amounts),
        trained_parameters, and extra: chance and the errors by utterance (all clips of one together), units, or R^2
        and the error of always predicting the training mean.

    Raises:
        StoreError: training or task data are absent or damaged.
        TaskError: scores that make no sense; see `scores.rate`.
    """
    folder = manifests.described_folder(training)
    job = manifests.verify_files(folder, training)["job"]
    task = read_task_data(data)
    scores = files.read_table(folder / "scores.tsv")
    if note := few_speakers_note(scores["speaker"].nunique()):
        log.warning("%s: %s", folder, note)
    return {
        "task": job["task"],
        "model": job["model_name"],
        "kind": task.kind,
        "metric": METRICS[task.kind],
        "value": rate(scores),
        "interval": list(mean_interval([scores])),
        "utterances": len(scores),
        "speakers": scores["speaker"].nunique(),
        "split_digest": task.description["split_digest"],
        "parts": task.description["parts"],
        **files.read_json(folder / "training.json"),
        "extra": _beside(task, scores),
    }


def _beside(data: TaskData, scores: pd.DataFrame) -> dict[str, float]:
    """The baselines of the metric: chance, or R^2 and the error of always predicting the training mean."""
    if data.kind == "f0_reconstruction":
        sums = scores[["error", "target_sum", "target_square_sum", "weight"]].sum()
        total, squares, frames = sums["target_sum"], sums["target_square_sum"], int(sums["weight"])
        return {
            "constant_mse": constant_mse(data.training_mean(), total, squares, frames),
            "r2": r_squared(sums["error"], total, squares, frames),
        }
    if data.kind == "speaker_identification":
        return {"chance": 1 - 1 / len(data.labels), "utterance_error_rate": scores["utterance_error"].mean()}
    return {"units": len(data.labels)}


def r_squared(squared_error_sum: float, target_sum: float, target_square_sum: float, n: int) -> float:
    """The share of the targets' variance that predictions explain, from sums over the n voiced frames tested on.

    R^2 = 1 - SSE / SST with SSE = sum (y - prediction)^2 and SST = sum (y - mean y)^2 = sum y^2 - (sum y)^2 / n, so
    that the mean of the tested frames themselves has R^2 = 0. Sums in float64.

    Raises:
        TaskError: no frames, or targets that are all alike.
    """
    _check_frames(n)
    total = target_square_sum - target_sum**2 / n
    # Below this the difference is what rounding left.
    if total <= 1e-12 * target_square_sum:
        raise TaskError(f"R^2: expected targets that differ, found {n} alike; test on more frames")
    return 1 - squared_error_sum / total


def constant_mse(training_mean: float, target_sum: float, target_square_sum: float, n: int) -> float:
    """The MSE over the n voiced test frames when every prediction is the mean of the training targets.

    MSE = (1/n) sum (y - m)^2 = (sum y^2) / n - 2 m (sum y) / n + m^2 with m the training mean. Sums in float64.

    Raises:
        TaskError: no frames.
    """
    _check_frames(n)
    return target_square_sum / n - 2 * training_mean * target_sum / n + training_mean**2


def _check_frames(n: int) -> None:
    if n < 1:
        raise TaskError("F0: expected voiced frames to test on, found none; test on more utterances")
