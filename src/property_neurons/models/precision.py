"""Full single precision, in which neurons and hidden states are read.

TensorFloat-32 rounds the factors of a product to 10 bits (bf16, on some CPUs, to 7), which changes the ranks of
neurons. cuDNN's convolutions use it by default, a Trainer turns it on for the rest of its process, and
`TORCH_ALLOW_TF32_CUBLAS_OVERRIDE` and `torch.set_float32_matmul_precision` turn it on for matrices.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_OPERATIONS = (
    torch.backends.cuda.matmul,
    torch.backends.cudnn.conv,
    torch.backends.cudnn.rnn,
    torch.backends.mkldnn.matmul,
    torch.backends.mkldnn.conv,
    torch.backends.mkldnn.rnn,
)


@contextmanager
def full_precision() -> Iterator[None]:
    """Products of float32 in float32, no autocast, the same algorithms each time; as it was before when the block ends.

    Use it as a context manager, or as a decorator of a function that is no generator: a generator runs when the block
    around it has ended.
    """
    # By operation: what stands for all of them (torch.backends.fp32_precision) is overridden by these alone, and the
    # older switches (allow_tf32, cudnn.flags) raise an error once somebody has set it.
    before = [operation.fp32_precision for operation in _OPERATIONS]
    algorithms = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    try:
        for operation in _OPERATIONS:
            operation.fp32_precision = "ieee"
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
        with torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False):
            yield
    finally:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = algorithms
        for operation, precision in zip(_OPERATIONS, before, strict=True):
            operation.fp32_precision = precision
