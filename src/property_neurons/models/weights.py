"""The stored weights of a model folder by name: the encoder's, in floating point."""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from property_neurons.errors import ModelError, printable
from property_neurons.models.folder import Stored, check_stored, n_blocks, read_header, weight_files
from property_neurons.models.pickles import check_tensors, read_pickle

_DTYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
# Put before names by torch.compile, DataParallel and FSDP when a model is saved from inside of them.
_WRAPPERS = re.compile(r"(?:^|(?<=\.))(?:_orig_mod|module|_fsdp_wrapped_module)\.")
_WHISPER_ENCODER = re.compile(r"^(model\.)?encoder\.")
_REMEDY = "copy or download the model again"


@dataclass(frozen=True)
class Weights:
    """Stored weights under the names that the model gives them.

    tensors: torch tensors, or parts of a safetensors file that become such when they are taken.
    stored: their types and shapes.
    """

    tensors: dict[str, Any]
    stored: dict[str, Stored]

    @property
    def dtype(self) -> torch.dtype:
        """The precision that holds every weight exactly: the stored one, the wider one where there are several."""
        found = {stored.dtype for stored in self.stored.values()} & _DTYPES.keys()
        dtype = torch.float32 if not found else _DTYPES[min(found)]
        for name in found:
            dtype = torch.promote_types(dtype, _DTYPES[name])
        return dtype

    @property
    def n_elements(self) -> int:
        """How many numbers the weights hold."""
        return sum(math.prod(stored.shape) for stored in self.stored.values())

    @property
    def n_blocks(self) -> int:
        """How many Transformer blocks of the encoder have weights."""
        return n_blocks(self.stored)


@contextmanager
def stored_weights(folder: Path, *, whisper: bool) -> Iterator[Weights]:
    """The weights of a model folder, open while the context lasts.

    Args:
        whisper: give the encoder's alone, under the names of WhisperEncoder.

    Raises:
        ModelError: as `folder.weight_files` and `folder.check_stored`; a pickle that is not read, or claims more than
            it holds; a tensor twice.
    """
    with ExitStack() as open_files:
        tensors: dict[str, Any] = {}
        stored: dict[str, Stored] = {}
        for file in weight_files(folder):
            if file.suffix == ".safetensors":
                headers = read_header(file)
                content = open_files.enter_context(safe_open(file, framework="pt"))
                found = {name: content.get_slice(name) for name in headers}
            else:
                found = _read_bin(file)
                headers = {name: _stored(values) for name, values in found.items()}
            check_stored(file, headers)
            names = _own_names(headers, whisper)
            if twice := sorted({own for own in names.values() if own in tensors} | _repeated(names)):
                raise ModelError(
                    f"{printable(file)}: expected each weight once, found {printable(twice[0])} under two names or in "
                    f"two files; {_REMEDY}"
                )
            tensors |= {own: found[name] for name, own in names.items()}
            stored |= {own: headers[name] for name, own in names.items()}
        yield Weights(tensors, stored)


def _read_bin(file: Path) -> dict[str, torch.Tensor]:
    content = read_pickle(file, expected="a torch checkpoint", remedy=_REMEDY)
    if not isinstance(content, Mapping):
        raise ModelError(
            f"{printable(file)}: expected tensors by name, found a {type(content).__name__}; "
            "save the model with save_pretrained"
        )
    return check_tensors(file, content, "save the model with save_pretrained")


def _stored(values: torch.Tensor) -> Stored:
    return Stored(_NAMES.get(values.dtype, str(values.dtype).removeprefix("torch.")), tuple(values.shape))


def _own_names(names: Mapping[str, Stored], whisper: bool) -> dict[str, str]:
    """Stored names -> names in the model, without what wrappers put before them; of Whisper those of the encoder."""
    own = {name: _WRAPPERS.sub("", name) for name in names}
    if whisper and any(_WHISPER_ENCODER.match(name) for name in own.values()):
        return {name: _WHISPER_ENCODER.sub("", mine) for name, mine in own.items() if _WHISPER_ENCODER.match(mine)}
    return own


def _repeated(names: Mapping[str, str]) -> set[str]:
    own = list(names.values())
    return {name for name in own if own.count(name) > 1} if len(set(own)) < len(own) else set()
