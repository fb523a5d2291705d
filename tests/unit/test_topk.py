import numpy as np
import pytest
import torch
from gpu import on_gpu
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from property_neurons.errors import CountingError
from property_neurons.ranks import topk
from property_neurons.ranks.topk import rank_neurons


@pytest.fixture(autouse=True, params=["cpu", "gpu"])
def way(request, monkeypatch):
    """Both ways are held against the sort on the CPU; the GPU's in blocks of its own."""
    if request.param == "gpu":
        monkeypatch.setattr(topk, "_rank_on_cpu", topk._rank_on_gpu)
        monkeypatch.setattr(topk, "_EXACT_BLOCK", 2000)
    return request.param


def plain_ranks(activations, k):
    """A sort of every row by (-magnitude, id), in Python numbers: exact for every floating type up to float32."""
    ids, ties = [], [0] * k
    for row in activations.tolist():
        order = sorted(range(len(row)), key=lambda neuron: (-abs(row[neuron]), neuron))
        ids.append(order[:k])
        for rank in range(1, min(k, len(row) - 1) + 1):
            ties[rank - 1] += abs(row[order[rank - 1]]) == abs(row[order[rank]])
    return np.array(ids).reshape(-1, k), np.array(ties)


def assert_exact(activations, k):
    ranked = rank_neurons(activations, k)
    ids, ties = plain_ranks(activations, k)
    assert ranked.ids.dtype == np.uint16
    assert ranked.ties.dtype == np.int64
    np.testing.assert_array_equal(ranked.ids, ids)
    np.testing.assert_array_equal(ranked.ties, ties)


def noise(rows, width, seed=0):
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


def gelu(rows, width):
    return torch.nn.functional.gelu(noise(rows, width))


@pytest.mark.parametrize(
    ("rows", "width", "k"),
    [(40, 3072, 31), (40, 1536, 15), (1, 3072, 31), (12, 3072, 307), (9, 3000, 30), (7, 257, 1), (5, 65536, 3)],
)
def test_common_shapes(rows, width, k):
    assert_exact(gelu(rows, width), k)


@pytest.mark.parametrize("width", [256, 257, 319, 320, 321, 383])
def test_the_largest_are_found_in_every_column(width):
    """A spike in each column in turn, those that no whole group covers included."""
    activations = torch.full((width, width), 0.01) + torch.eye(width)
    assert_exact(activations, 3)


@pytest.mark.parametrize("k", [1, 7, 8])
def test_narrow_and_k_equal_to_width(k):
    assert_exact(noise(20, 8), k)


def test_k_equal_to_width_has_no_tie_at_the_last_rank():
    assert rank_neurons(torch.ones(4, 5), 5).ties.tolist() == [4, 4, 4, 4, 0]


def test_no_rows():
    ranked = rank_neurons(torch.empty(0, 300), 3)
    assert ranked.ids.shape == (0, 3)
    assert ranked.ties.tolist() == [0, 0, 0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_ties(dtype):
    activations = gelu(60, 3072).to(dtype)
    assert_exact(activations, 31)
    assert rank_neurons(activations, 31).ties.sum() > 0


def test_double_precision_is_ranked_as_float32():
    activations = torch.zeros(1, 300, dtype=torch.float64)
    activations[0, 200] = 1.0 + 1e-12
    activations[0, 100] = 1.0
    ranked = rank_neurons(activations, 2)
    assert ranked.ids.tolist() == [[100, 200]]
    assert ranked.ties.tolist() == [1, 0]


@pytest.mark.parametrize("levels", [1, 2, 5, 40])
def test_heavy_ties(levels):
    assert_exact(
        torch.randint(-levels, levels + 1, (30, 512), generator=torch.Generator().manual_seed(levels)).float(), 9
    )


def test_relu_with_fewer_active_neurons_than_ranks():
    assert_exact(torch.relu(noise(30, 640) - 2.5), 20)


def test_all_zero_and_all_equal():
    assert_exact(torch.zeros(5, 1000), 10)
    assert_exact(torch.full((5, 1000), -0.3), 10)


def test_negative_zero_equals_zero():
    activations = torch.zeros(2, 400)
    activations[:, ::2] = -0.0
    ranked = rank_neurons(activations, 4)
    assert ranked.ids.tolist() == [[0, 1, 2, 3]] * 2
    assert ranked.ties.tolist() == [2] * 4


def test_denormals_keep_their_order():
    steps = torch.arange(512, dtype=torch.int32)
    activations = steps.flip(0).view(torch.float32)[None].clone()
    activations[0, ::2] *= -1
    torch.set_flush_denormal(True)
    try:
        assert rank_neurons(activations, 12).ids.tolist() == [list(range(12))]
    finally:
        torch.set_flush_denormal(False)


def test_rows_and_magnitudes_at_the_edges_of_a_key():
    """The last row of a block and the largest finite value fill every bit of a key."""
    activations = torch.full((4096, 256), torch.finfo(torch.float32).max)
    activations[:, 255] = 0.0
    activations[4095, :250] = 1e-45
    assert rank_neurons(activations, 3).ids[0].tolist() == [0, 1, 2]
    assert rank_neurons(activations, 3).ids[4095].tolist() == [250, 251, 252]
    activations[:] = 0.5
    activations[:, 7] = torch.finfo(torch.float32).max
    activations[:, 3:6] = 1.0
    assert (rank_neurons(activations, 4).ids == [7, 3, 4, 5]).all()


def test_blocks_do_not_matter(monkeypatch):
    activations = torch.cat([gelu(50, 700), torch.zeros(20, 700), gelu(50, 700).bfloat16().float()])
    whole = rank_neurons(activations, 6)
    monkeypatch.setattr(topk, "_CPU_BLOCK", 700 * 7)
    in_blocks = rank_neurons(activations, 6)
    np.testing.assert_array_equal(whole.ids, in_blocks.ids)
    np.testing.assert_array_equal(whole.ties, in_blocks.ties)


def test_candidates_are_few_and_agree_with_ranking_all():
    bits = topk._magnitude_bits(gelu(100, 3072))
    fast = topk._rank_candidates(bits, 32)
    assert fast is not None
    np.testing.assert_array_equal(fast & ((1 << 47) - 1), topk._rank_all(bits, 32))


def test_heavy_ties_are_not_all_sorted():
    assert topk._rank_candidates(torch.zeros(10, 3072, dtype=torch.int32), 32) is None


def test_views_and_gradients():
    base = gelu(30, 6144).requires_grad_()
    view = base[::2, ::2]
    np.testing.assert_array_equal(rank_neurons(view, 31).ids, rank_neurons(view.detach().clone(), 31).ids)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("width", [300, 8])
def test_values_that_are_not_finite_are_refused(value, width):
    activations = noise(20, width)
    activations[13, 5] = value
    with pytest.raises(CountingError, match="NaN or infinite ones in 1 rows, the first row 13"):
        rank_neurons(activations, 2)


def test_the_row_of_a_bad_value_counts_from_the_first_block(monkeypatch):
    monkeypatch.setattr(topk, "_CPU_BLOCK", 300 * 4)
    activations = noise(20, 300)
    activations[13, 5] = float("nan")
    with pytest.raises(CountingError, match="the first row 13"):
        rank_neurons(activations, 2)


@pytest.mark.parametrize(
    ("activations", "k", "message"),
    [
        (torch.ones(3, 5), 0, "expected 1 to 5, found 0"),
        (torch.ones(3, 5), 6, "expected 1 to 5, found 6"),
        (torch.ones(1, 3, 5), 2, r"\[1, 3, 5\]"),
        (torch.ones(3, 5, dtype=torch.int32), 2, "int32"),
        (torch.ones(1, 65537), 2, "65537"),
    ],
)
def test_what_does_not_fit_is_refused(activations, k, message):
    with pytest.raises(CountingError, match=message):
        rank_neurons(activations, k)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_values(data):
    width = data.draw(st.sampled_from([1, 2, 3, 5, 64, 65, 255, 256, 260, 500]))
    k = data.draw(st.integers(1, min(width, 60)))
    few = data.draw(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=4))
    values = st.one_of(st.sampled_from(few), st.floats(width=32, allow_nan=False, allow_infinity=False))
    activations = data.draw(hnp.arrays(np.float32, (data.draw(st.integers(1, 6)), width), elements=values))
    assert_exact(torch.from_numpy(activations), k)


@on_gpu
def test_cuda_equals_cpu():
    for activations in (gelu(300, 3072), gelu(300, 3072).bfloat16(), torch.relu(noise(30, 640) - 2.5)):
        on_cpu, on_gpu = rank_neurons(activations, 6), rank_neurons(activations.cuda(), 6)
        np.testing.assert_array_equal(on_cpu.ids, on_gpu.ids)
        np.testing.assert_array_equal(on_cpu.ties, on_gpu.ties)
