"""Heads of the tasks (method, section 5): hidden states in, loss and scores out."""

import torch
from torch import nn

from property_neurons.errors import TaskError
from property_neurons.tasks.table import KINDS, Kind

BLANK = 0
"""Output of CTC that stands for no unit; unit u is output u + 1."""

UNLABELLED = -100
"""Fills up the references of a batch."""


class Head(nn.Module):
    """What a task adds to a model.

    phone_recognition: Linear(projector), Linear(units + 1), CTC. speaker_identification: Linear(projector), mean over
    time, Linear(speakers), cross-entropy. f0_reconstruction: Linear(1), squared error of ln F0 on voiced frames.

    Args:
        kind: the task.
        states: hidden states that are summed with learned softmax weights; 1 takes one as it is.
        hidden_size: of the model.
        outputs: units (without the blank) or speakers; 1 for F0.
        projector: width of the first linear layer; F0 has none.
    """

    def __init__(self, kind: Kind, *, states: int, hidden_size: int, outputs: int, projector: int | None = None):
        super().__init__()
        if kind not in KINDS:
            raise TaskError(f"task: expected one of {', '.join(KINDS)}, found {kind!r}; correct the kind")
        self.kind = kind
        self.weights = nn.Parameter(torch.zeros(states)) if states > 1 else None
        if kind == "f0_reconstruction":
            self.projector, self.output = None, nn.Linear(hidden_size, 1)
        else:
            self.projector = nn.Linear(hidden_size, projector)
            self.output = nn.Linear(projector, outputs + (kind == "phone_recognition"))

    def forward(self, states: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """
        Args:
            states: float [utterances, states, frames, hidden size], padded at the end.
            lengths: int64 [utterances], frames of each.

        Returns:
            phone_recognition: logits [utterances, frames, units + 1]; speaker_identification: logits [utterances,
            speakers]; f0_reconstruction: ln F0 [utterances, frames]
        """
        hidden = self._summed(states)
        if self.kind == "f0_reconstruction":
            return self.output(hidden).squeeze(-1)
        hidden = self.projector(hidden)
        if self.kind == "speaker_identification":
            inside = torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]
            hidden = (hidden * inside.unsqueeze(-1)).sum(1) / lengths[:, None]
        return self.output(hidden)

    def _summed(self, states: torch.Tensor) -> torch.Tensor:
        if self.weights is None:
            return states[:, -1]
        return torch.einsum("bstd,s->btd", states, self.weights.softmax(0))

    def loss(self, outputs: torch.Tensor, lengths: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar.

        Args:
            outputs, lengths: as in `forward`.
            labels: units int64 [utterances, most units], filled up with `UNLABELLED`; speakers int64 [utterances, 1];
                or ln F0 float [utterances, frames], NaN where unvoiced.
        """
        if self.kind == "speaker_identification":
            return nn.functional.cross_entropy(outputs.float(), labels.flatten())
        if self.kind == "f0_reconstruction":
            voiced = ~labels.isnan()
            # A batch without a voiced frame teaches nothing, and its mean would be no number.
            return (outputs.float()[voiced] - labels[voiced]).square().sum() / voiced.sum().clamp(min=1)
        units = (labels != UNLABELLED).sum(1)
        return nn.functional.ctc_loss(
            outputs.float().log_softmax(-1).transpose(0, 1),
            (labels + 1).clamp(min=0),
            lengths,
            units,
            blank=BLANK,
            zero_infinity=True,
        )
