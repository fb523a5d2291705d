"""Heads of the tasks against plain loops and torch's own losses."""

import math

import pytest
import torch

from property_neurons.errors import TaskError
from property_neurons.tasks.heads import UNLABELLED, Head
from property_neurons.tasks.table import KINDS

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


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_head_weighs_all_states_alike(kind):
    head = Head(kind, states=3, hidden_size=4, outputs=2, projector=6)
    given = states(2, 3, 5, 4)
    alike = given.mean(1, keepdim=True).expand_as(given)
    torch.testing.assert_close(head(given, torch.tensor([5, 5])), head(alike, torch.tensor([5, 5])))


@pytest.mark.parametrize("kind", KINDS)
def test_without_weights_the_last_state_is_taken(kind):
    head = Head(kind, states=1, hidden_size=4, outputs=2, projector=6)
    given = states(2, 3, 5, 4)
    torch.testing.assert_close(head(given, torch.tensor([5, 4])), head(given[:, 2:], torch.tensor([5, 4])))


@pytest.mark.parametrize(
    ("kind", "outputs", "expected"),
    [
        ("phone_recognition", 40, 13 + (768 * 256 + 256) + (256 * 41 + 41)),
        ("speaker_identification", 1251, 13 + (768 * 256 + 256) + (256 * 1251 + 1251)),
        ("f0_reconstruction", 1, 13 + (768 + 1)),
    ],
)
def test_the_number_of_parameters(kind, outputs, expected):
    head = Head(kind, states=13, hidden_size=768, outputs=outputs, projector=256)
    assert sum(parameter.numel() for parameter in head.parameters()) == expected


def test_the_mean_over_time_ignores_padding():
    head = Head("speaker_identification", states=1, hidden_size=4, outputs=3, projector=6)
    given = states(2, 1, 5, 4)
    found = head(given, torch.tensor([5, 2]))
    for place, length in enumerate((5, 2)):
        frames = [head.projector(given[place, 0, frame]) for frame in range(length)]
        torch.testing.assert_close(found[place], head.output(sum(frames) / length))


def test_the_loss_of_speakers_is_torchs_cross_entropy():
    head = Head("speaker_identification", states=1, hidden_size=4, outputs=3, projector=6)
    outputs = states(2, 3)
    expected = -(outputs.log_softmax(-1)[0, 2] + outputs.log_softmax(-1)[1, 0]) / 2
    torch.testing.assert_close(head.loss(outputs, torch.tensor([5, 2]), torch.tensor([[2], [0]])), expected)


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


def test_an_utterance_with_more_units_than_frames_teaches_nothing():
    head = Head("phone_recognition", states=1, hidden_size=4, outputs=3, projector=6)
    outputs = head(states(1, 1, 2, 4), torch.tensor([2]))
    loss = head.loss(outputs, torch.tensor([2]), torch.tensor([[0, 2, 1]]))
    loss.backward()
    assert loss.item() == 0
    assert all(parameter.grad.abs().max() == 0 for parameter in head.parameters())


def test_unvoiced_frames_and_padding_do_not_count_for_f0():
    head = Head("f0_reconstruction", states=1, hidden_size=4, outputs=1)
    outputs = torch.tensor([[1.0, 2.0, 9.0], [3.0, 9.0, 9.0]], requires_grad=True)
    labels = torch.tensor([[2.0, NAN, NAN], [5.0, NAN, NAN]])
    loss = head.loss(outputs, torch.tensor([3, 3]), labels)
    loss.backward()
    assert loss.item() == pytest.approx((1 + 4) / 2)
    torch.testing.assert_close(outputs.grad, torch.tensor([[-1.0, 0, 0], [-2.0, 0, 0]]))


def test_a_batch_without_a_voiced_frame_teaches_nothing():
    head = Head("f0_reconstruction", states=3, hidden_size=4, outputs=1)
    lengths = torch.tensor([3, 3])
    loss = head.loss(head(states(2, 3, 3, 4), lengths), lengths, torch.full((2, 3), NAN))
    loss.backward()
    assert loss.item() == 0
    assert all(parameter.grad.abs().max() == 0 for parameter in head.parameters())


def test_an_unknown_task_is_refused():
    with pytest.raises(TaskError, match="expected one of phone_recognition"):
        Head("emotion", states=1, hidden_size=4, outputs=1)
