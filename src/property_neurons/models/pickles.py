"""Reading torch's pickles safely: tensors and plain values, no code, nothing larger than the file."""

import math
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from property_neurons.errors import ModelError, printable

_DO_NOT_USE = "nothing was run: do not use this file; get one that holds nothing but tensors and plain values"


def read_pickle(path: Path, *, expected: str, remedy: str, allowed: Sequence[type] = ()) -> Any:
    """The content of a file that torch saved, on the CPU; where the file's format allows it, mapped and not read.

    Args:
        expected: what the file should be, for messages: "a released checkpoint".
        remedy: what to do where the file is damaged.
        allowed: classes of which it may hold objects, beside torch's tensors and plain values.

    Raises:
        ModelError: no such file, or one that is damaged, packed, or holds code that reading would run.
    """
    shown = printable(path)
    try:
        packed = zipfile.is_zipfile(path)
        if packed:
            # torch packs nothing: what is packed unpacks to any size.
            with zipfile.ZipFile(path) as archive:
                if any("/code/" in name for name in archive.namelist()):
                    raise ModelError(f"{shown}: expected {expected}, found a program (TorchScript); {_DO_NOT_USE}")
                if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                    raise ModelError(f"{shown}: expected {expected}, found a zip file with packed entries; {remedy}")
        with torch.serialization.safe_globals(list(allowed)), warnings.catch_warnings():
            # Of a pickle that may be refused after it, with the advice to complain.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=packed)
    except FileNotFoundError:
        raise ModelError(f"{shown}: expected {expected}, found nothing; correct the path") from None
    except ModelError:
        raise
    except Exception as error:  # Whatever foreign bytes can make torch raise.
        raise ModelError(f"{shown}: expected {expected}, found {what_was_found(error, remedy)}") from None


def what_was_found(error: Exception, remedy: str) -> str:
    """Torch's reason for refusing a file, without its advice to read the file unsafely; and what to do."""
    text = str(error)
    if refused := re.search(r"GLOBAL (\S+)", text):
        return f"{printable(refused[1])}, which reading would run; {_DO_NOT_USE}"
    if "weights_only" in text or "eights only" in text:
        said = text.partition("WeightsUnpickler error:")[2] or text.partition("\n\n")[2] or text
        lines = [line.strip() for line in said.splitlines() if not _ADVICE.search(line)]
        reason = next((line for line in lines if line), "a TorchScript archive or another form of program")
        return f"something that is not read without running it ({printable(reason)}); {_DO_NOT_USE}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"{type(error).__name__}: {printable(lines[0] if lines else 'no detail')}; {remedy}"


_ADVICE = re.compile(r"weights.only|arbitrary code|safe_globals|docs/|trust|Please (use|file)", re.IGNORECASE)


def check_tensors(path: Path, content: Mapping[str, Any], remedy: str) -> dict[str, torch.Tensor]:
    """Check that all values are tensors whose elements are in the file, and return them by name.

    Raises:
        ModelError: a value is no tensor, or claims more elements than are stored (it would grow when it is used), or
            all of them together more than twice as many bytes as the file has.
    """
    shown, total = printable(path), 0
    for name, value in content.items():
        if not isinstance(value, torch.Tensor):
            raise ModelError(
                f"{shown}: expected tensors by name, found under {printable(repr(name))} a {type(value).__name__}; "
                f"{remedy}"
            )
        if value.layout != torch.strided or value.is_meta:
            raise ModelError(
                f"{shown}: expected plain tensors, found {printable(name)} without its elements or sparse; {remedy}"
            )
        claimed, stored = math.prod(value.shape) * value.element_size(), value.untyped_storage().nbytes()
        total += claimed
        if claimed > stored or total > 2 * path.stat().st_size:
            raise ModelError(
                f"{shown}: expected tensors that the file holds, found {printable(name)} of shape {list(value.shape)}, "
                f"{claimed:,} bytes, with {min(stored, path.stat().st_size):,} bytes behind it; do not use this file"
            )
    return {str(name): value for name, value in content.items()}
