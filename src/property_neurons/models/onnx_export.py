"""Write a model as ONNX, for runtimes without Python, and compare its output with the original's.

    python -m property_neurons.models.onnx_export FOLDER FILE

The input is the model's own: a waveform [1, samples] for HuBERT and its kin, log-Mel frames [1, frames, size] for
MelHuBERT and Wav2Vec2-BERT, of any length; Whisper's windows have one length. The output is the last hidden state.
"""

import argparse
import logging
import warnings
from pathlib import Path

import numpy as np
import torch

from property_neurons.errors import ModelError, message_alone, printable
from property_neurons.models.backend import quiet_transformers
from property_neurons.models.features import SAMPLING_RATE
from property_neurons.models.loading import SpeechEncoder, load_encoder
from property_neurons.models.precision import full_precision
from property_neurons.stores.files import atomic_path

TOLERANCE = 1e-4
"""Largest difference that is still the rounding of single precision."""

_SECONDS = (1.0, 1.7)
"""Lengths at which the exported model is compared; it is traced at the first."""

_LARGEST = 2**31 - 2**20


class _LastHiddenState(torch.nn.Module):
    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.model(values, return_dict=True).last_hidden_state


def export_onnx(encoder: SpeechEncoder, path: str | Path) -> float:
    """Write the encoder, pruned or not, to one ONNX file with inputs of any length, whole or not at all.

    Args:
        encoder: on the CPU.
        path: the file to write.

    Returns:
        the largest difference between the two models' outputs, over noise of two lengths

    Raises:
        ModelError: the packages for ONNX are absent, the model is too large for one file, or the outputs differ by more
            than `TOLERANCE`.
        OSError: the file cannot be written; found out before the export.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ModelError(
            f"export to ONNX: expected the packages onnx, onnxscript and onnxruntime, found no {error.name}; "
            "pip install 'property-neurons[onnx]'"
        ) from error
    size = sum(parameter.nbytes for parameter in encoder.model.parameters())
    if size >= _LARGEST:
        raise ModelError(
            f"{path}: expected a model of less than 2 GiB, the most an ONNX file holds, found {size / 2**30:.1f} GiB; "
            "export a smaller one"
        )
    if Path(path).is_dir():
        raise ModelError(f"{path}: expected the name of a file to write, found a folder; name a file in it")
    with atomic_path(path) as temporary:
        temporary.touch()
        return _export(encoder, path, temporary)


def _export(encoder: SpeechEncoder, path: str | Path, temporary: Path) -> float:
    import onnx
    import onnxruntime

    inputs = [_noise(encoder, seconds) for seconds in _SECONDS]
    any_length = inputs[0].shape != inputs[1].shape
    module = _LastHiddenState(encoder.model).eval()
    # The fused kernels of the conformers' attention cannot be exported for any length.
    attention = encoder.model.config._attn_implementation
    encoder.model.set_attn_implementation("eager")
    try:
        with warnings.catch_warnings(), _quiet():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module,
                (inputs[0],),
                dynamo=True,
                verbose=False,
                input_names=["values"],
                output_names=["last_hidden_state"],
                dynamic_shapes=({1: torch.export.Dim.DYNAMIC} if any_length else {},),
            )
    finally:
        encoder.model.set_attn_implementation(attention)
    onnx.save_model(program.model_proto, temporary)
    session = onnxruntime.InferenceSession(temporary, providers=["CPUExecutionProvider"])
    difference = max(_difference(module, session, values) for values in inputs)
    if not difference <= TOLERANCE:
        raise ModelError(
            f"{path}: expected the outputs of {type(encoder.model).__name__} within {TOLERANCE}, found a "
            f"difference of {difference:.2g}; nothing was written"
        )
    return difference


def _difference(module: torch.nn.Module, session, values: torch.Tensor) -> float:
    with torch.inference_mode(), full_precision():
        expected = module(values).numpy()
    (found,) = session.run(None, {session.get_inputs()[0].name: values.numpy()})
    return float(np.abs(found - expected).max())


def _noise(encoder: SpeechEncoder, seconds: float) -> torch.Tensor:
    samples = np.random.default_rng(0).normal(0, 0.1, round(seconds * SAMPLING_RATE)).astype(np.float32)
    return next(iter(encoder.front_end.windows(samples))).values


class _quiet:
    """Keeps off the screen the exporter's remarks about packages that are not needed."""

    def __enter__(self) -> None:
        logging.disable(logging.WARNING)

    def __exit__(self, *_) -> None:
        logging.disable(logging.NOTSET)


def main() -> None:
    program = "python -m property_neurons.models.onnx_export"
    parser = argparse.ArgumentParser(prog=program, description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path, help="a from_pretrained folder, such as results/models/NAME")
    parser.add_argument("file", type=Path, help="the .onnx file to write")
    arguments = parser.parse_args()
    with message_alone(), quiet_transformers():
        difference = export_onnx(load_encoder(arguments.folder), arguments.file)
    print(f"{printable(arguments.file)}: outputs within {difference:.1e} of the model's own")


if __name__ == "__main__":
    main()
