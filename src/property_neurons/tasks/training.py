"""Training and scoring of a task (method, section 5), with transformers' Trainer.

One job trains one task on one model with one seed: the task's table and a prepared model in, a folder with scores,
curves, head and, where the model was trained too, the model out. A killed job goes on from its last whole checkpoint.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from property_neurons.corpus.recordings import Recording
from property_neurons.errors import TaskError
from property_neurons.jobs import locks
from property_neurons.models.backend import quiet_transformers
from property_neurons.models.loading import SpeechEncoder, load_encoder
from property_neurons.stores import files, manifests
from property_neurons.tasks.data import TaskData, read_task_data
from property_neurons.tasks.examples import Examples, StoredStates, Waveforms, collate
from property_neurons.tasks.heads import Head, Kind
from property_neurons.tasks.scoring import bootstrap_interval, constant_mse, r_squared, rate
from property_neurons.tasks.stored_states import open_states
from property_neurons.tasks.task_trainer import TaskModel, TaskTrainer, training_habits_off, weights_of
from property_neurons.training.checkpoints import resume_point
from property_neurons.training.trainer import WITHOUT_RESULT, Optimisation, add_callbacks, training_arguments

METRICS: Mapping[Kind, str] = {
    "phone_recognition": "phone_error_rate",
    "speaker_identification": "speaker_error_rate",
    "f0_reconstruction": "lnf0_mse",
}
HEAD_FILE = "head.safetensors"
CURVE_COLUMNS = ("step", "split", "value", "learning_rate", "grad_norm")


@dataclass(frozen=True, kw_only=True)
class Settings(Optimisation):
    """How a task is trained; see `trainer.Optimisation` for what is not said here.

    projector: width of the head's first linear layer; F0 has none.
    crop_seconds: longest piece of an utterance in training; None for none.
    group_by_length: whether the utterances of a batch are of similar lengths.
    evaluate_every: steps between scorings of dev, the best of which is kept.
    """

    max_grad_norm: float = 1.0
    projector: int | None = None
    crop_seconds: float | None = None
    group_by_length: bool = False


@dataclass(frozen=True)
class TaskJob:
    """Everything one job needs, as plain values.

    task, model_name: names, for messages and metrics.
    mode: "frozen" or "fine_tuned".
    data: manifest of the task's table.
    model: manifest of the prepared model.
    roots: the folder that each corpus's audio paths start from.
    states: for each corpus the manifest of the model's stored states; empty: the model runs in the training. Crops
        are then cut out of the audio, and not out of the states of whole utterances.
    settings: fields of `Settings`.
    folder: to write; its manifest lies beside it.
    work: where the Trainer keeps its checkpoints; removed when done.
    initial: folder of a training of this task whose head is trained on; None = a new head.
    normalise: see `loading.load_encoder`.
    device: "cpu" or "cuda".
    tensorboard: folder of TensorBoard logs, or None.
    code: fingerprint of the code, so that a checkpoint of other code is not resumed.
    """

    task: str
    model_name: str
    mode: str
    data: str
    model: str
    roots: Mapping[str, str]
    settings: Mapping[str, Any]
    folder: str
    work: str
    states: Mapping[str, str] = field(default_factory=dict)
    initial: str | None = None
    normalise: bool | None = None
    device: str = "cpu"
    tensorboard: str | None = None
    code: str = ""

    @property
    def name(self) -> str:
        """For messages and the progress bar."""
        return f"{self.task} on {self.model_name}, seed {self.settings.get('seed', 0)}"

    def identity(self) -> str:
        """A digest of what the result depends on."""
        settings = {key: value for key, value in self.settings.items() if key not in WITHOUT_RESULT}
        inputs = [self.data, self.model, *([f"{self.initial}.manifest.json"] if self.initial else [])]
        content = {
            "mode": self.mode,
            "settings": settings,
            "normalise": self.normalise,
            "half_precision": bool(self.states),
            "code": self.code,
            "inputs": [manifests.read_manifest(manifest)["digest"] for manifest in inputs],
        }
        return manifests.digest_of(content)


def run_task(job: TaskJob) -> None:
    """Train, choose the best checkpoint on dev, score test once, and write the folder and its manifest, or nothing.

    In the folder: metrics.json, scores.tsv (a row for each test utterance), curves.tsv (`CURVE_COLUMNS`), the head,
    and in fine-tuning `encoder`, a `from_pretrained` folder.

    Raises:
        TaskError, ModelError: data, model or head do not fit together; the message names what.
        StoreError: an input is absent or damaged, or another process trains this.
    """
    with locks.sole_process(job.work):
        _run(job)


def _run(job: TaskJob) -> None:
    settings = Settings(**job.settings)
    identity = job.identity()
    data = read_task_data(job.data)
    work = Path(job.work)
    with quiet_transformers():
        encoder = load_encoder(
            manifests.described_folder(job.model), manifest=job.model, device=job.device, normalise=job.normalise
        )
        head = new_head(job, settings, data, encoder)
        sets = _examples(job, settings, data, encoder)
        model = TaskModel(head, encoder.model, trained=job.mode == "fine_tuned")
        with training_habits_off(encoder.model):
            trainer = _trainer(job, settings, identity, model, sets, work)
            checkpoint = resume_point(work, identity)
            if checkpoint is not None and not trainer.has_best_of(checkpoint):
                # What was best on dev cannot be known again but by training.
                shutil.rmtree(work)
                checkpoint = None
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            best = trainer.restore_best()
            scores = trainer.scores(sets["test"])
        _write(job, settings, data, encoder, trainer, best, scores)
    shutil.rmtree(work, ignore_errors=True)


def new_head(job: TaskJob, settings: Settings, data: TaskData, encoder: SpeechEncoder) -> Head:
    """A new head from the seed, or the one to go on with."""
    config = encoder.model.config
    blocks = len({site.layer for site in encoder.sites})
    outputs = 1 if data.kind == "f0_reconstruction" else len(data.labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        head = Head(
            data.kind,
            states=blocks + 1 if job.mode == "frozen" else 1,
            hidden_size=config.hidden_size,
            outputs=outputs,
            projector=settings.projector,
        )
    if data.kind == "f0_reconstruction":
        # From the best constant on, and not from 1 Hz: ln F0 is far from zero.
        torch.nn.init.constant_(head.output.bias, _training_mean(data))
    if job.initial is not None:
        manifests.verify_files(job.initial, f"{job.initial}.manifest.json")
        weights = load_file(Path(job.initial) / HEAD_FILE)
        expected = {name: list(value.shape) for name, value in head.state_dict().items()}
        found = {name: list(value.shape) for name, value in weights.items()}
        if expected != found:
            raise TaskError(
                f"{job.name}: expected a head of {expected} in {job.initial}, found {found}; train it again"
            )
        head.load_state_dict(weights)
    return head.to(job.device)


def _examples(job: TaskJob, settings: Settings, data: TaskData, encoder: SpeechEncoder) -> dict[str, Examples]:
    sets = {}
    stores = {corpus: open_states(manifest) for corpus, manifest in job.states.items()}
    for part in ("train", "dev", "test"):
        table = data.part(part)
        if stores:
            source = StoredStates(stores, list(zip(table["corpus"], table["utterance"], strict=True)))
        else:
            source = _waveforms(table, encoder, job.roots)
        in_training = {
            "n_examples": settings.steps * settings.batch_size,
            "crop_seconds": settings.crop_seconds,
            "seed": settings.seed,
            "group_by_length": settings.batch_size if settings.group_by_length else None,
        }
        sets[part] = Examples(table, data.kind, source, **(in_training if part == "train" else {}))
    return sets


def part_examples(table: pd.DataFrame, kind: Kind, encoder: SpeechEncoder, roots: Mapping[str, str]) -> Examples:
    """Utterances to score, whole, the longest first; see `TaskJob` for `roots`."""
    return Examples(table, kind, _waveforms(table, encoder, roots))


def _waveforms(table: pd.DataFrame, encoder: SpeechEncoder, roots: Mapping[str, str]) -> Waveforms:
    recordings = [
        Recording(row.utterance, Path(roots[row.corpus]) / row.audio, row.n_samples) for row in table.itertuples()
    ]
    return Waveforms(encoder, recordings)


def _trainer(
    job: TaskJob, settings: Settings, identity: str, model: TaskModel, sets: Mapping[str, Examples], work: Path
) -> TaskTrainer:
    arguments = training_arguments(job.name, str(work), job.device, settings)
    trainer = TaskTrainer(
        model=model, args=arguments, data_collator=collate, train_dataset=sets["train"], eval_dataset=sets["dev"]
    )
    trainer.best_file = work / "best.safetensors"
    trainer.identity = identity
    return add_callbacks(trainer, job.name, identity, tensorboard=job.tensorboard)


def _write(
    job: TaskJob,
    settings: Settings,
    data: TaskData,
    encoder: SpeechEncoder,
    trainer: TaskTrainer,
    best: Mapping[str, Any],
    scores: pd.DataFrame,
) -> None:
    manifest = Path(f"{job.folder}.manifest.json")
    manifest.unlink(missing_ok=True)
    low, high = bootstrap_interval(scores)
    metrics = {
        "task": job.task,
        "model": job.model_name,
        "kind": data.kind,
        "mode": job.mode,
        "metric": METRICS[data.kind],
        "value": rate(scores),
        "interval": [low, high],
        "utterances": len(scores),
        "seed": settings.seed,
        "settings": {key: value for key, value in asdict(settings).items() if key not in WITHOUT_RESULT},
        "dev": best,
        "split_digest": data.description["split_digest"],
        "parts": data.description["parts"],
        "trained_parameters": sum(parameter.numel() for parameter in trainer.model.parameters()),
        "extra": _beside(data, scores),
    }
    with files.new_folder(job.folder, replace=True) as temporary:
        files.write_json(temporary / "metrics.json", metrics)
        files.write_table(temporary / "scores.tsv", scores)
        files.write_table(temporary / "curves.tsv", curves(trainer.state.log_history))
        # One entry: several are written in an order that differs from process to process.
        noted = {"head": json.dumps({"kind": data.kind, "labels": data.labels})}
        save_file(weights_of(trainer.model.head), temporary / HEAD_FILE, metadata=noted)
        if job.mode == "fine_tuned":
            encoder.model.save_pretrained(temporary / "encoder")
            encoder.front_end.extractor.save_pretrained(temporary / "encoder")
        contents = manifests.describe_files(temporary)
    manifests.write_manifest(manifest, {"job": asdict(job), **contents})


def _beside(data: TaskData, scores: pd.DataFrame) -> dict[str, float]:
    """What the metric is to be read beside: chance, or R^2 and the error of always putting out the training mean."""
    if data.kind == "f0_reconstruction":
        sums = scores[["error", "target_sum", "target_square_sum", "weight"]].sum()
        total, squares, frames = sums["target_sum"], sums["target_square_sum"], int(sums["weight"])
        return {
            "constant_mse": constant_mse(_training_mean(data), total, squares, frames),
            "r2": r_squared(sums["error"], total, squares, frames),
        }
    if data.kind == "speaker_identification":
        return {"chance": 1 - 1 / len(data.labels)}
    return {"units": len(data.labels)}


def _training_mean(data: TaskData) -> float:
    """Mean ln F0 of the voiced training frames."""
    return float(np.nanmean(np.concatenate([np.asarray(one, np.float64) for one in data.part("train")["reference"]])))


def curves(log_history: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """What the Trainer logged, a row per split and step: the training loss, and the metric on dev."""
    rows = []
    for entry in log_history:
        if "loss" in entry:
            rows.append(("train", entry["step"], entry["loss"], entry["learning_rate"], entry["grad_norm"]))
        if "eval_value" in entry:
            rows.append(("dev", entry["step"], entry["eval_value"], None, None))
    table = pd.DataFrame(rows, columns=["split", "step", "value", "learning_rate", "grad_norm"])[list(CURVE_COLUMNS)]
    return table.drop_duplicates(["step", "split"], keep="last").sort_values(["split", "step"], ignore_index=True)
