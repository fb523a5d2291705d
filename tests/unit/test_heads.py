"""Heads of the tasks against plain loops and torch's own losses."""

import math

import pytest
import torch

from property_neurons.downstream.heads import UNLABELLED, Head
from property_neurons.errors import TaskError

NAN = float("nan")


def states(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_states_are_summed_with_softmax_weights():
    head = Head("f0_reconstruction", states=3, hidden_size=4, outputs=1)
    head.weights.data = torch.tensor([0.5, -1.0, 2.0])
    given = states(2, 3, 5, 4)
    shares = [math.exp(weight) for weight in (0.5, -1.0, 2.0)]
    summed = sum(share / sum(shares) * given[:, place] for place, share in enumerate(shares))
    expected = head.output(summed).squeeze(-1)
    torch.testing.assert_close(head(given, torch.tensor([5, 5])), expected)


def test_the_mean_over_time_ignores_padding():
    head = Head("speaker_identification", states=1, hidden_size=4, outputs=3, projector=6)
    given = states(2, 1, 5, 4)
    found = head(given, torch.tensor([5, 2]))
    expected = head.output(head.projector(given[1, 0, :2]).mean(0))
    torch.testing.assert_close(found[1], expected)


def test_the_ctc_loss_of_a_padded_batch_is_the_mean_of_those_of_its_utterances():
    head = Head("phone_recognition", states=1, hidden_size=4, outputs=3, projector=6)
    given, lengths = states(2, 1, 9, 4), torch.tensor([9, 6])
    labels = torch.tensor([[0, 2, 1], [1, UNLABELLED, UNLABELLED]])
    outputs = head(given, lengths)
    assert outputs.shape == (2, 9, 4)
    single = [
        torch.nn.functional.ctc_loss(
            outputs[place : place + 1, :frames].log_softmax(-1).transpose(0, 1),
            torch.tensor([[unit + 1 for unit in units]]),
            torch.tensor([frames]),
            torch.tensor([len(units)]),
        )
        for place, (frames, units) in enumerate([(9, [0, 2, 1]), (6, [1])])
    ]
    torch.testing.assert_close(head.loss(outputs, lengths, labels), torch.stack(single).mean())


def test_unvoiced_frames_and_padding_do_not_count_for_f0():
    head = Head("f0_reconstruction", states=1, hidden_size=4, outputs=1)
    outputs = torch.tensor([[1.0, 2.0, 9.0], [3.0, 9.0, 9.0]])
    labels = torch.tensor([[2.0, NAN, NAN], [5.0, NAN, NAN]])
    assert head.loss(outputs, torch.tensor([3, 3]), labels).item() == pytest.approx((1 + 4) / 2)
    outputs.requires_grad_()
    silent = head.loss(outputs, torch.tensor([3, 3]), torch.full((2, 3), NAN))
    silent.backward()
    assert silent.item() == 0
    assert outputs.grad.isfinite().all()


def test_an_unknown_task_is_refused():
    with pytest.raises(TaskError, match="expected one of phone_recognition"):
        Head("emotion", states=1, hidden_size=4, outputs=1)
