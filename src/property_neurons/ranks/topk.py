"""The most active neurons of every frame: exact, deterministic and cheap beside the forward pass.

A neuron's activation is the magnitude of its value (paper, section 3.1). The bits of a non-negative
float32, read as an integer, keep its order, so all ranking is done on integers: no rounding, no
flushed denormals, no -0, and one unique key per neuron in which the lower id wins among equals.

On a CPU most of a row is never ranked. The maxima of G > k strided groups of neurons are G values of
the row, so the (k + 1)-th largest maximum bounds the row's (k + 1)-th largest value from below. Only
the few neurons at or above that bound (about 42 of 3072 for k = 31) are sorted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from property_neurons.errors import CountingError

MAX_WIDTH = 1 << 16

_ID_BITS = 16
_MAGNITUDE_BITS = 31
_MAGNITUDE = (1 << _MAGNITUDE_BITS) - 1
_INFINITY = 0x7F800000

# Values ranked at a time: what fits a CPU's cache, and what keeps a GPU busy in bounded memory.
_CPU_BLOCK = 1 << 21
_GPU_BLOCK = 1 << 26
# Of those, keys of 64 bits are made of fewer at a time.
_EXACT_BLOCK = 1 << 24

# Groups per rank: more make the bound tighter and its own cost higher. Few or small groups do not pay.
_GROUPS_PER_RANK = 4
_MIN_GROUPS_PER_RANK = 2
_MIN_GROUPS = 64
_MIN_GROUP_SIZE = 4
# With a larger share of candidates (heavy ties), sorting them all costs more than selecting.
_MAX_CANDIDATE_SHARE = 1 / 8


@dataclass(frozen=True)
class Ranked:
    """The k most active neurons of each row.

    ids: uint16 [rows, k], largest magnitude first, equal magnitudes by lowest id.
    ties: int64 [k]; ties[r - 1] = rows whose magnitudes at rank r and r + 1 are equal, so that the id
        decided what a cut at r keeps. Where there is no rank r + 1 (k = width) it is 0.
    """

    ids: np.ndarray
    ties: np.ndarray


def rank_neurons(activations: Tensor, k: int) -> Ranked:
    """Rank the neurons of every row by magnitude.

    activations: [rows, width], any floating type (ranked as float32), any device, width <= 65536.

    Raises:
        CountingError: the shape or k does not fit, or a value is NaN or infinite.
    """
    ids, ties = rank_on_device(activations, k)
    return Ranked(ids.cpu().numpy().view(np.uint16), ties.cpu().numpy())


def rank_on_device(activations: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """As `rank_neurons`, but ids (their 16 bits as int16, which every operation takes) and ties stay on the device."""
    if activations.ndim != 2 or not activations.is_floating_point():
        raise CountingError(
            f"activations: expected floating-point [rows, neurons], found {activations.dtype} "
            f"{list(activations.shape)}; give the input of a second feed-forward linear"
        )
    rows, width = activations.shape
    if width > MAX_WIDTH:
        raise CountingError(f"activations: expected at most {MAX_WIDTH} neurons (ids of 16 bits), found {width}")
    if not 1 <= k <= width:
        raise CountingError(f"neurons kept per row: expected 1 to {width}, found {k}; choose another lambda")

    rank_block, block = (_rank_on_cpu, _CPU_BLOCK) if activations.device.type == "cpu" else (_rank_on_gpu, _GPU_BLOCK)
    depth = min(k + 1, width)
    step = max(1, block // width)
    ids = torch.empty((rows, k), dtype=torch.int16, device=activations.device)
    ties = torch.zeros(k, dtype=torch.int64, device=activations.device)
    for start in range(0, rows, step):
        keys = rank_block(activations[start : start + step], depth, start)
        magnitudes = keys >> _ID_BITS
        # Through int32, of which the lower half is taken, whatever its sign.
        ids[start : start + step] = (keys[:, :k] & (MAX_WIDTH - 1)).to(torch.int32).to(torch.int16)
        ties[: depth - 1] += (magnitudes[:, 1:] == magnitudes[:, :-1]).sum(dim=0)
    return ids, ties


def _rank_on_cpu(block: Tensor, depth: int, first_row: int) -> Tensor:
    bits = _magnitude_bits(block)
    keys = _rank_candidates(bits, depth)
    keys = _rank_all(bits, depth) if keys is None else torch.from_numpy(keys)
    _check_finite(keys[:, 0], range(first_row, first_row + len(keys)))
    return keys


def _rank_on_gpu(block: Tensor, depth: int, first_row: int) -> Tensor:
    """The same keys as `_rank_all`, from a topk of floats, which is faster and takes any of several that are equal."""
    bits = _magnitude_bits(block)
    values, ids = bits.view(torch.float32).topk(depth, dim=1)
    keys = ((_MAGNITUDE - values.view(torch.int32).long()) << _ID_BITS | ids).sort(dim=1).values
    # What it chose matters where the last two are equal, and NaN is the largest: the one look at the card in between.
    in_doubt = ~torch.isfinite(values[:, 0])
    if depth < block.shape[1]:
        in_doubt |= values[:, -1] == values[:, -2]
    rows = in_doubt.nonzero()[:, 0]
    step = max(1, _EXACT_BLOCK // block.shape[1])
    for some in rows.split(step):
        exact = _rank_all(bits[some], depth)
        _check_finite(exact[:, 0].cpu(), (first_row + some).tolist())
        keys[some] = exact
    return keys


def _magnitude_bits(block: Tensor) -> Tensor:
    """Magnitudes as int32 [rows, width] in the same order."""
    return block.detach().float().contiguous().view(torch.int32) & _MAGNITUDE


def _check_finite(first_keys: Tensor, rows: Sequence[int]) -> None:
    """Refuse rows whose first key says that their largest magnitude is NaN or infinite; `rows` are their numbers."""
    bad = np.flatnonzero(_MAGNITUDE - (first_keys.numpy() >> _ID_BITS & _MAGNITUDE) >= _INFINITY)
    if len(bad):
        raise CountingError(
            f"activations: expected finite values, found NaN or infinite ones in {len(bad)} rows, the first row "
            f"{rows[bad[0]]}; check the weights and the audio, and run the model in float32"
        )


def _rank_all(bits: Tensor, depth: int) -> Tensor:
    """The `depth` smallest keys of each row, ascending: int64 [rows, depth].

    A key is the falling magnitude in front of the id.
    """
    keys = (_MAGNITUDE - bits.long()) << _ID_BITS
    keys |= torch.arange(bits.shape[1], device=bits.device)
    return keys.topk(depth, dim=1, largest=False, sorted=True).values


def _rank_candidates(bits: Tensor, depth: int) -> np.ndarray | None:
    """The same keys, each behind the number of its row, from candidates alone; None where that does not pay."""
    rows, width = bits.shape
    groups = min(max(_MIN_GROUPS, _GROUPS_PER_RANK * depth), width // _MIN_GROUP_SIZE)
    if groups < max(_MIN_GROUPS, _MIN_GROUPS_PER_RANK * depth):
        return None
    maxima = bits[:, : width // groups * groups].unflatten(1, (-1, groups)).amax(dim=1).numpy()
    bound = np.partition(maxima, groups - depth, axis=1)[:, groups - depth]

    # numpy compares, finds and sorts with vector instructions where torch does not.
    magnitudes = bits.numpy()
    candidates = np.flatnonzero(magnitudes >= bound[:, np.newaxis])
    if len(candidates) > _MAX_CANDIDATE_SHARE * magnitudes.size:
        return None
    starts = np.searchsorted(candidates, np.arange(rows) * width)
    row = np.repeat(np.arange(rows), np.diff(starts, append=len(candidates)))
    falling = _MAGNITUDE - magnitudes.reshape(-1)[candidates].astype(np.int64)
    # With the row in front, one flat sort ranks all rows of the block.
    keys = row << (_MAGNITUDE_BITS + _ID_BITS) | falling << _ID_BITS | (candidates - row * width)
    keys.sort()
    return keys[starts[:, np.newaxis] + np.arange(depth)]
