"""Training of a task (method, section 5), with transformers' Trainer.

One job trains one task on one model with one seed. It reads the task's table and a prepared model, and writes a folder
with curves, head, the errors of the test utterances and, if the model was trained too, the model. A killed job goes on
from its last complete checkpoint. `metrics` makes scores of the errors.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from property_neurons.jobs import locks
from property_neurons.models.backend import quiet_transformers
from property_neurons.models.loading import SpeechEncoder, load_encoder
from property_neurons.stores import files, manifests
from property_neurons.tasks.best_state import TaskTrainer
from property_neurons.tasks.examples import Examples, StoredStates, collate, waveforms
from property_neurons.tasks.job import TaskJob, TaskTraining
from property_neurons.tasks.model import HEAD_FILE, TaskModel, new_head, training_habits_off, weights_of
from property_neurons.tasks.stored_states import open_states
from property_neurons.tasks.table import TaskData, read_task_data
from property_neurons.training import learning_rates
from property_neurons.training.checkpoints import resume_point
from property_neurons.training.learning_curves import learning_curves
from property_neurons.training.optimisation import WITHOUT_RESULT
from property_neurons.training.trainer import add_callbacks, training_arguments

log = logging.getLogger(__name__)

CURVES = {"value": ("loss", "eval_value")}
"""What curves.tsv holds of training and of dev: the loss, and the task's metric; see `learning_curves`."""


@dataclass(frozen=True)
class _Trained:
    """A training at its end, with the model in the best state of all; best: its step and dev value."""

    settings: TaskTraining
    data: TaskData
    encoder: SpeechEncoder
    test: Examples
    trainer: TaskTrainer
    best: Mapping[str, Any]


def train_task(job: TaskJob) -> None:
    """Train, choose the best state on dev, score test once, and write the folder and its manifest, or nothing.

    Of several learning rates each is trained with, and the one whose best state is best on dev is chosen.

    In the folder: training.json, scores.tsv (a row for each test utterance; see `scores`), curves.tsv
    (step, split, value, learning_rate, grad_norm), the head, and in fine-tuning `encoder`, a `from_pretrained` folder.

    Raises:
        TaskError, ModelError: data, model or head do not fit together; the message names what.
        StoreError: an input is absent or damaged, or another process trains this.
    """
    with locks.sole_process(job.work):
        chosen, tried = learning_rates.choose(job, lambda trial: _train(trial).best["value"])
        _write(job, _train(chosen), tried)
        learning_rates.clear(job)


def _train(job: TaskJob) -> _Trained:
    settings = TaskTraining(**job.settings)
    identity = job.identity()
    data = read_task_data(job.data)
    work = Path(job.work)
    with quiet_transformers():
        encoder = load_encoder(manifests.described_folder(job.model), manifest=job.model, device=job.device)
        head = new_head(job, settings, data, encoder)
        sets = _examples(job, settings, data, encoder)
        model = TaskModel(head, encoder.model, trained=job.mode == "fine_tuned")
        with training_habits_off(encoder.model):
            trainer = _trainer(job, settings, identity, model, sets, work)
            checkpoint = resume_point(work, identity)
            if checkpoint is not None and not trainer.has_best_of(checkpoint):
                # What was best on dev cannot be known again but by training.
                aside = files.set_aside(work)
                log.warning("%s: the best state so far is lost; trained from the start (now %s)", work, aside)
                checkpoint = None
            # What training starts from may be the best: a cut that its warm restart makes worse, say.
            trainer.args.eval_on_start = checkpoint is None and job.initial is not None
            if settings.steps:
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
                best = trainer.restore_best()
            else:
                # One state alone: nothing to choose on dev.
                best = {"step": 0, "value": None}
    return _Trained(settings, data, encoder, sets["test"], trainer, best)


def _examples(job: TaskJob, settings: TaskTraining, data: TaskData, encoder: SpeechEncoder) -> dict[str, Examples]:
    sets = {}
    stores = {corpus: open_states(manifest) for corpus, manifest in job.states.items()}
    for part in ("train", "dev", "test"):
        table = data.part(part)
        if stores:
            source = StoredStates(stores, list(zip(table["corpus"], table["utterance"], strict=True)))
        else:
            source = waveforms(table, encoder, job.roots)
        in_training = {
            "n_examples": settings.steps * settings.batch_size,
            "crop_seconds": settings.crop_seconds,
            "seed": settings.seed,
            "first": job.items_before(),
            "group_by_length": settings.batch_size if settings.group_by_length else None,
        }
        in_scoring = {"clips": settings.clips}
        sets[part] = Examples(table, data.kind, source, **(in_training if part == "train" else in_scoring))
    return sets


def _trainer(
    job: TaskJob, settings: TaskTraining, identity: str, model: TaskModel, sets: Mapping[str, Examples], work: Path
) -> TaskTrainer:
    arguments = training_arguments(job.name, str(work), job.device, settings)
    trainer = TaskTrainer(
        model=model, args=arguments, data_collator=collate, train_dataset=sets["train"], eval_dataset=sets["dev"]
    )
    trainer.best_file = work / "best.safetensors"
    trainer.identity = identity
    return add_callbacks(trainer, job.name, identity, tensorboard=job.tensorboard)


def _write(job: TaskJob, done: _Trained, tried: Mapping[str, float | None]) -> None:
    with quiet_transformers():
        scores = done.trainer.scores(done.test)
    # Names of task and model are the manifest's: the folder may be taken from the cache under others.
    drawn = done.settings.steps * done.settings.batch_size
    trained = {
        "mode": job.mode,
        "seed": done.settings.seed,
        "items": job.items_before() + drawn,
        "settings": {key: value for key, value in asdict(done.settings).items() if key not in WITHOUT_RESULT},
        "learning_rates": tried,
        "dev": done.best,
        "trained_parameters": sum(parameter.numel() for parameter in done.trainer.model.parameters()),
    }
    with manifests.new_described_folder(job.folder, noted={"job": asdict(job)}) as temporary:
        files.write_json(temporary / "training.json", trained)
        files.write_table(temporary / "scores.tsv", scores)
        curves = learning_curves(done.trainer.state.log_history, CURVES, held_out="dev")
        files.write_table(temporary / "curves.tsv", curves)
        # One entry: several are written in an order that differs from process to process.
        noted = {"head": json.dumps({"kind": done.data.kind, "labels": done.data.labels})}
        save_file(weights_of(done.trainer.model.head), temporary / HEAD_FILE, metadata=noted)
        if job.mode == "fine_tuned":
            done.encoder.model.save_pretrained(temporary / "encoder")
            done.encoder.front_end.extractor.save_pretrained(temporary / "encoder")
