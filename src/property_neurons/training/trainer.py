"""What all trainings of the project share: transformers' Trainer with their settings, checkpoints, bar and logs."""

import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch

from property_neurons.errors import DivergedError, ModelError
from property_neurons.jobs.devices import cores
from property_neurons.models.backend import transformers
from property_neurons.models.pickles import what_was_found
from property_neurons.training.checkpoints import MarkComplete
from property_neurons.training.optimisation import Optimisation
from property_neurons.training.progress_bar import ProgressBar

log = logging.getLogger(__name__)


def training_arguments(name: str, work: str, device: str, settings: Optimisation) -> "transformers.TrainingArguments":
    """The Trainer's arguments for a training.

    Args:
        name: for messages.
        work: folder of its checkpoints.
        device: "cpu" or "cuda".

    Raises:
        ModelError: the batch cannot be dealt out evenly, or there are not enough devices.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    per_device, rest = divmod(settings.batch_size, settings.accumulation * world)
    if rest or not per_device:
        raise ModelError(
            f"{name}: batch_size {settings.batch_size} does not divide by accumulation {settings.accumulation} x "
            f"{world} processes; change one of them"
        )
    on_cpu = device == "cpu"
    if not on_cpu and torch.cuda.device_count() < world:
        raise ModelError(
            f"{name}: expected {world} CUDA devices, found {torch.cuda.device_count()}; ask for them, "
            "lower gpus, or set device: cpu"
        )
    half = settings.precision == "bf16"
    if half and on_cpu:
        # Bf16 convolutions of some shapes, melhubert-mini's among them, come out wrong on CPUs with AMX (oneDNN 3.12;
        # pytorch issues 163347 and 169688): the loss rises, and nothing says so. On other CPUs bf16 is slow.
        log.warning("%s: precision: bf16 is for GPUs; on this CPU it is trained in fp32", name)
    arguments = transformers.TrainingArguments(
        output_dir=work,
        max_steps=settings.steps,
        per_device_train_batch_size=per_device,
        per_device_eval_batch_size=per_device,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant_with_warmup" if settings.schedule == "constant" else settings.schedule,
        warmup_steps=settings.warmup_steps,
        weight_decay=0.0,
        max_grad_norm=settings.max_grad_norm,
        bf16=half and not on_cpu,
        # What is read for a result asks for full precision itself (`models.precision`).
        tf32=True if not on_cpu and transformers.utils.is_torch_tf32_available() else None,
        use_cpu=on_cpu,
        ddp_backend="gloo" if on_cpu and world > 1 else None,
        ddp_find_unused_parameters=False,
        # Items are drawn at random already, and which comes when is part of their definition.
        train_sampling_strategy="sequential",
        eval_strategy="steps",
        eval_steps=settings.evaluate_every,
        save_strategy="steps",
        save_steps=settings.save_every,
        save_total_limit=2,
        logging_steps=settings.log_every,
        # A loss that is NaN would be written down as 0.
        logging_nan_inf_filter=False,
        # They change no result: more of them than cores take turns, and each takes memory.
        dataloader_num_workers=min(settings.workers, cores() // world),
        dataloader_pin_memory=not on_cpu,
        remove_unused_columns=False,
        label_names=["labels"],
        report_to="none",
        disable_tqdm=True,
        seed=settings.seed,
    )
    if world == 1 and not on_cpu:
        # The Trainer would spread one process over all GPUs it sees, and multiply the batch.
        arguments._n_gpu = 1
    return arguments


def add_callbacks(
    trainer: "transformers.Trainer", name: str, identity: str, *, tensorboard: str | None = None
) -> "transformers.Trainer":
    """Give a Trainer its marks of whole checkpoints, its progress bar and its TensorBoard logs.

    Args:
        name: shown beside the bar.
        identity: of the training; see `checkpoints.resume_point`.
        tensorboard: folder of the logs, or None.
    """
    trainer.add_callback(MarkComplete(identity))
    trainer.add_callback(_SaveAsAsked())
    trainer.add_callback(ProgressBar(name))
    if tensorboard is not None and int(os.environ.get("RANK", "0")) == 0:
        from torch.utils.tensorboard import SummaryWriter

        trainer.add_callback(transformers.integrations.TensorBoardCallback(SummaryWriter(tensorboard)))
    # It prints every log as a dictionary; the bar and the curves say the same.
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


class _SaveAsAsked(transformers.TrainerCallback):
    """Lets a resumed training save as often as its settings say now; the Trainer goes by what its checkpoint says."""

    def on_train_begin(self, args, state, control, **kwargs):
        state.save_steps = args.save_steps


def check_finite(loss: float, step: int) -> None:
    """Refuse a validation loss that is NaN or infinite.

    Raises:
        DivergedError: it is.
    """
    if not math.isfinite(loss):
        raise DivergedError(
            f"validation after {step} steps: expected a finite loss, found {loss}; the training has diverged: lower "
            "its learning_rate, or lengthen its warm-up"
        )


class StopWhenFlat(transformers.TrainerCallback):
    """Ends a training when its validation loss has stopped falling.

    It looks at the log alone, which a checkpoint holds, so a resumed training stops where an undisturbed one does.

    Args:
        patience: validations in a row that may pass without a new least loss.
    """

    def __init__(self, patience: int):
        self._patience = patience

    def on_evaluate(self, args, state, control, **kwargs):
        if is_flat(state.log_history, self._patience):
            control.should_training_stop = True


def is_flat(log_history: Sequence[Mapping[str, Any]], patience: int) -> bool:
    """Whether the last `patience` validations have not lowered the least loss."""
    losses = [entry["eval_loss"] for entry in log_history if "eval_loss" in entry]
    return bool(losses) and len(losses) - 1 - losses.index(min(losses)) >= patience


def train_from(trainer: "transformers.Trainer", checkpoint: Path | None, patience: int | None = None) -> None:
    """Train from a checkpoint, or from the start; do nothing if the checkpoint's training had stopped improving.

    Args:
        checkpoint: see `checkpoints.resume_point`.
        patience: see `StopWhenFlat`; None = all steps.

    Raises:
        ModelError: a file of the checkpoint holds what reading it would run.
    """
    if checkpoint is not None and patience is not None:
        state = transformers.TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        if is_flat(state.log_history, patience):
            _end_at(trainer, state.global_step)
    _draw_apart(trainer)
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except UnpicklingError as error:
        found = what_was_found(error, "delete this checkpoint")
        raise ModelError(f"{checkpoint}: expected a checkpoint of this training, found {found}") from None


def _draw_apart(trainer: "transformers.Trainer") -> None:
    """Give each process dropout of its own: from one seed all would drop the same units, each of its own crops.

    A checkpoint restores what each process draws. Which layers LayerDrop leaves out has to be the same in all.
    """
    rank = int(os.environ.get("RANK", "0"))
    if rank and not getattr(trainer.model.config, "layerdrop", 0):
        torch.manual_seed(int(np.random.SeedSequence([trainer.args.seed, rank]).generate_state(1)[0]))


def _end_at(trainer: "transformers.Trainer", step: int) -> None:
    """Make `step` the last one, since the Trainer would take one more step before it asks callbacks whether to stop."""
    items = step * len(trainer.train_dataset) // trainer.args.max_steps
    trainer.train_dataset = torch.utils.data.Subset(trainer.train_dataset, range(items))
    trainer.args.max_steps = step
