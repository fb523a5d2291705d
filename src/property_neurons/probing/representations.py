"""The probed representations: the output of every Transformer block, and log-Mel frames, which need no model."""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch

from property_neurons.corpus.recordings import DECODERS, decode_into
from property_neurons.errors import ModelError
from property_neurons.models.features import Window
from property_neurons.models.loading import SpeechEncoder
from property_neurons.models.log_mel import LogMelStatistics, log_mel, stack_frames
from property_neurons.probing.frames import FrameLabels, ProbedFrames
from property_neurons.progress import progress
from property_neurons.stores import files, manifests
from property_neurons.stores.outside import read_array

_MEL_BINS = 40
_FRAME_MS = 20
_LABELS = "frames.parquet"


def block_paths(encoder: SpeechEncoder) -> list[str]:
    """Dotted path of each Transformer block, in forward order: `encoder.layers.0`, `encoder.layers.1`, ..."""
    # A feed-forward network's path starts with that of its block, which ends in the block's number.
    return list(dict.fromkeys(re.match(r".*?\.\d+(?=\.)", site.module)[0] for site in encoder.sites))


def layer_outputs(encoder: SpeechEncoder, waveform: np.ndarray) -> list[np.ndarray]:
    """The output of every block for each 20 ms frame of one utterance, read alone and unpadded.

    A block's output is what the next block takes in: a norm behind the last block is not applied.

    Args:
        waveform: float32 [samples], 16 kHz.

    Returns:
        for each block float32 [frames, width]

    Raises:
        ModelError: the model cannot read the utterance, or frames and rows do not fit together.
    """
    return _layer_outputs(encoder, len(waveform), encoder.windows(waveform))


def _layer_outputs(encoder: SpeechEncoder, n_samples: int, windows: Sequence[Window]) -> list[np.ndarray]:
    paths = block_paths(encoder)
    pieces: list[list[torch.Tensor]] = [[] for _ in paths]
    speech_rows = 0

    def neurons_read(_: int, activations: torch.Tensor) -> None:
        nonlocal speech_rows
        speech_rows = len(activations)

    def block_left(pieces_of_block: list[torch.Tensor], output: torch.Tensor | tuple) -> None:
        hidden = output[0] if isinstance(output, tuple) else output
        # A block's neurons are read before it is left, so that these are the speech rows of its own window.
        pieces_of_block.append(hidden[0, :speech_rows].to("cpu", torch.float32, copy=True))

    with ExitStack() as hooks:
        for path, own in zip(paths, pieces, strict=True):
            block = encoder.model.get_submodule(path)
            hook = block.register_forward_hook(lambda _, __, output, own=own: block_left(own, output))
            hooks.enter_context(hook)
        for window in windows:
            encoder.read_windows([window], neurons_read)
    rows = encoder.rows_of_frames(n_samples)
    outputs = [torch.cat(own).numpy() for own in pieces]
    short = [path for path, output in zip(paths, outputs, strict=True) if len(output) <= rows[-1]]
    if short:
        raise ModelError(
            f"{type(encoder.model).__name__}, block {short[0]}: expected at least {rows[-1] + 1} rows, found "
            f"{len(outputs[paths.index(short[0])])}; this is a bug in property_neurons.models.features"
        )
    return [output[rows] for output in outputs]


def log_mel_frames(waveform: np.ndarray) -> np.ndarray:
    """Log-Mel frames in pairs, not normalised, one row for each 20 ms frame: float32 [frames, 2 * bins].

    Raises:
        ModelError: the waveform is shorter than 25 ms.
    """
    return stack_frames(log_mel(waveform, _MEL_BINS), _FRAME_MS)


def write_representations(
    folder: str | Path, encoder: SpeechEncoder, frames: ProbedFrames, *, decoders: int = DECODERS
) -> None:
    """Store the probed frames as log-Mel (standardised by the frames to fit on) and as outputs of every layer.

    With a manifest beside the folder, or nothing. Memory: the log-Mel frames and one utterance. Space: 4 bytes x width
    x frames for each.

    Args:
        decoders: threads that decode, and compute features, ahead of the model; the result does not depend on it.

    Raises:
        AudioError, ModelError: an utterance cannot be read; the message names it.
    """
    with manifests.new_described_folder(folder) as temporary:
        for layer in represent(encoder, frames, temporary, decoders)[1:]:
            layer.flush()
        files.write_table(temporary / _LABELS, frames.table())


def open_representations(manifest: str | Path) -> tuple[FrameLabels, list[np.ndarray]]:
    """What `write_representations` stored: the frames; log-Mel, then layer by layer, float32 [frames, width], mapped.

    Raises:
        StoreError: it is absent or damaged.
    """
    folder = manifests.described_folder(manifest)
    manifests.verify_files(folder, manifest)
    layers = sorted(folder.glob("*.npy"), key=lambda path: int(path.stem))
    labels = FrameLabels.of_table(files.read_table(folder / _LABELS))
    return labels, [read_array(path, mapped=True) for path in layers]


def represent(
    encoder: SpeechEncoder, frames: ProbedFrames, folder: str | Path, decoders: int = DECODERS
) -> list[np.ndarray]:
    """The probed frames in log-Mel and in every layer of a model, mapped from files `0.npy` (log-Mel), `1.npy`, ...

    Returns:
        log-Mel, then layer by layer: float32 [frames, width]

    Raises:
        AudioError, ModelError: an utterance cannot be read; the message names it.
    """
    recordings = [utterance.recording for utterance in frames.utterances]
    n_frames = len(frames.label)
    mel = np.empty((n_frames, 2 * _MEL_BINS), np.float32)
    layers: list[np.ndarray] = []
    first = 0
    decoded = decode_into(lambda waveform: (encoder.windows(waveform), log_mel_frames(waveform)), recordings, decoders)
    bar = progress(decoded, total=len(recordings), what="representing", unit="utterance")
    for index, (windows, log_mel_of_utterance) in enumerate(bar):
        wanted = frames.utterances[index].frame
        place = slice(first, first := first + len(wanted))
        try:
            outputs = _layer_outputs(encoder, recordings[index].n_samples, windows)
            _check_frames(wanted, outputs[0])
            mel[place] = log_mel_of_utterance[wanted]
        except ModelError as error:
            raise ModelError(f"utterance {recordings[index].utterance}: {error}") from error
        layers = layers or _files(Path(folder), n_frames, outputs)
        for layer, output in zip(layers, outputs, strict=True):
            layer[place] = output[wanted]
    standardised = _standardised(mel, frames.fitted)
    np.save(Path(folder) / "0.npy", standardised)
    return [standardised, *layers]


def _check_frames(wanted: np.ndarray, output: np.ndarray) -> None:
    if wanted[-1] >= len(output):
        raise ModelError(
            f"expected frame {wanted[-1]}, found {len(output)} frames; audio and alignment do not belong together, or "
            "the model's front end gives fewer frames than property_neurons.probing.frames counts on"
        )


def _files(folder: Path, n_frames: int, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [
        files.new_mapped_array(folder / f"{layer}.npy", np.float32, (n_frames, output.shape[1]))
        for layer, output in enumerate(outputs, start=1)
    ]


def _standardised(mel: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    by_bin = mel.reshape(-1, _MEL_BINS)
    known = mel[fitted].reshape(-1, _MEL_BINS).astype(np.float64)
    std = known.std(axis=0)
    # Digital silence has the same value everywhere.
    statistics = LogMelStatistics(known.mean(axis=0), np.where(std > 0, std, 1.0))
    return statistics.normalise(by_bin).reshape(mel.shape)
