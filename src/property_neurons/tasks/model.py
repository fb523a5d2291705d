"""A head on a model: what a task trains."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import torch
from safetensors.torch import load_file

from property_neurons.errors import TaskError
from property_neurons.models.loading import SpeechEncoder
from property_neurons.models.precision import full_precision
from property_neurons.models.states import hidden_states
from property_neurons.stores import manifests
from property_neurons.tasks.heads import Head
from property_neurons.tasks.job import TaskJob, TaskTraining
from property_neurons.tasks.table import TaskData

HEAD_FILE = "head.safetensors"

_TRAINING_HABITS = MappingProxyType(
    {
        "apply_spec_augment": False,
        "layerdrop": 0.0,
        "encoder_layerdrop": 0.0,
        "mask_time_prob": 0.0,
        "mask_feature_prob": 0.0,
    }
)


class TaskModel(torch.nn.Module):
    """A head on a model; the model's weights are trained too, or fixed.

    Args:
        head: of the task; it takes the last hidden state where the model is trained, all of them where it is not.
        encoder: the model.
        trained: whether it is trained. If not, it is no part of this module's weights, and stays in eval mode.
    """

    # What takes **kwargs would be taken to divide the loss by what a step accumulates itself; the Trainer shall do it.
    accepts_loss_kwargs = False

    def __init__(self, head: Head, encoder: torch.nn.Module, *, trained: bool):
        super().__init__()
        self.head = head
        self.encoder = encoder if trained else None
        # In a tuple, where torch does not look for weights.
        self._frozen = () if trained else (encoder,)

    def train(self, mode: bool = True) -> "TaskModel":
        """Set training mode, except for batch norm, which keeps the statistics that the model came with."""
        return batch_norm_fixed(super().train(mode))

    def forward(self, labels=None, states=None, lengths=None, windows=None, rows=None, index=None, **kwargs):
        """From a batch of `examples.collate`: loss (None without labels), outputs of the head, lengths [utterances]."""
        if states is None:
            states, lengths = self._states(windows, rows)
        # Stored ones come in half precision, which takes half as long to the device.
        outputs = self.head(states.float(), lengths)
        loss = None if labels is None else self.head.loss(outputs, lengths, labels.to(outputs.device))
        return {"loss": loss, "outputs": outputs, "lengths": lengths}

    def _states(self, windows, rows) -> tuple[torch.Tensor, torch.Tensor]:
        if self.encoder is not None:
            read = hidden_states(self.encoder, windows, [-1])
        else:
            with torch.no_grad(), full_precision():
                read = hidden_states(self._frozen[0], windows)
        own = [states[:, chosen.to(states.device)].transpose(0, 1) for states, chosen in zip(read, rows, strict=True)]
        lengths = torch.tensor([len(one) for one in own], device=own[0].device)
        return torch.nn.utils.rnn.pad_sequence(own, batch_first=True).transpose(1, 2), lengths


Module = TypeVar("Module", bound=torch.nn.Module)


def batch_norm_fixed(model: Module) -> Module:
    """Put batch norm (of Conformers, or beside positions) in eval mode; returns the model.

    Utterances go through a model one by one, and those of a Conformer would be normalised by their own statistics in
    training and by a running mean of the last ones afterwards.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
    return model


@contextmanager
def training_habits_off(model: torch.nn.Module) -> Iterator[None]:
    """Turn off the frame masking and layer skipping that some models do in training mode."""
    # Some modules (Whisper's encoder) look at the config once only, when they are made.
    holders = [model.config, *(module for module in model.modules() if hasattr(module, "layerdrop"))]
    kept = [(one, name, getattr(one, name)) for one in holders for name in _TRAINING_HABITS if hasattr(one, name)]
    try:
        for one, name, _ in kept:
            setattr(one, name, _TRAINING_HABITS[name])
        yield
    finally:
        for one, name, value in kept:
            setattr(one, name, value)


def new_head(job: TaskJob, settings: TaskTraining, data: TaskData, encoder: SpeechEncoder) -> Head:
    """A new head from the seed, or the initial head."""
    config = encoder.model.config
    blocks = len({site.layer for site in encoder.sites})
    outputs = 1 if data.kind == "f0_reconstruction" else len(data.labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        head = Head(
            data.kind,
            states=blocks + 1 if job.mode == "frozen" and settings.layers == "all" else 1,
            hidden_size=config.hidden_size,
            outputs=outputs,
            projector=settings.projector,
        )
    if data.kind == "f0_reconstruction":
        # From the best constant on, and not from 1 Hz: ln F0 is far from zero.
        torch.nn.init.constant_(head.output.bias, data.training_mean())
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


def weights_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The weights of a module as safetensors takes them: contiguous, on the CPU."""
    return {name: value.detach().contiguous().cpu() for name, value in model.state_dict().items()}
