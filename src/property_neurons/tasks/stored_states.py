"""The hidden states of a frozen model on a whole corpus, stored so that all tasks and seeds share one pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from property_neurons.corpus.recordings import DECODERS, Recording, decode_into
from property_neurons.errors import TaskError
from property_neurons.models.features import Window
from property_neurons.models.loading import SpeechEncoder
from property_neurons.models.precision import full_precision
from property_neurons.models.states import hidden_states
from property_neurons.progress import progress
from property_neurons.stores import files, manifests
from property_neurons.stores.outside import read_array

_VALUES, _INDEX = "states.npy", "index.json"


@full_precision()
@torch.inference_mode()
def frame_states(encoder: SpeechEncoder, n_samples: int, windows: Sequence[Window]) -> torch.Tensor:
    """The hidden states of each 20 ms frame of one utterance, float32 [blocks + 1, frames, hidden size], on the CPU.

    windows: what the model takes in of it.
    """
    states = hidden_states(encoder.model, [windows])[0]
    rows = torch.from_numpy(encoder.rows_of_frames(n_samples))
    return states[:, rows.to(states.device)].float().cpu()


def write_states(
    folder: str | Path, encoder: SpeechEncoder, recordings: Sequence[Recording], *, decoders: int = DECODERS
) -> None:
    """Store the states of all utterances in half precision, with a manifest beside the folder, or nothing.

    Memory: one utterance. Space: 2 bytes x (blocks + 1) x hidden size x frames.

    Args:
        decoders: threads that decode, and compute features, ahead of the model; the result does not depend on it.

    Raises:
        AudioError, ModelError: an utterance cannot be read.
        TaskError: a state is beyond half precision.
    """
    offset = np.cumsum([0, *(encoder.n_frames(one.n_samples) for one in recordings)])
    with manifests.new_described_folder(folder) as temporary:
        values = None
        decoded = decode_into(encoder.windows, recordings, decoders)
        bar = progress(decoded, total=len(recordings), what="hidden states", unit="utterance")
        for index, windows in enumerate(bar):
            states = frame_states(encoder, recordings[index].n_samples, windows).transpose(0, 1).half().numpy()
            if not np.isfinite(states).all():
                raise TaskError(
                    f"utterance {recordings[index].utterance}: expected hidden states within half precision, found "
                    "larger ones; set precompute: false in the tasks"
                )
            if values is None:
                shape = (int(offset[-1]), *states.shape[1:])
                values = files.new_mapped_array(temporary / _VALUES, np.float16, shape)
            values[offset[index] : offset[index + 1]] = states
        values.flush()
        index = {"utterances": [one.utterance for one in recordings], "offset": offset.tolist()}
        files.write_json(temporary / _INDEX, index)


@dataclass(frozen=True)
class StateStore:
    """Stored states, mapped into memory.

    values: float16 [frames, blocks + 1, hidden size].
    spans: first frame of each utterance and one past its last.
    """

    name: str
    values: np.ndarray
    spans: dict[str, tuple[int, int]]

    def span(self, utterance: str) -> tuple[int, int]:
        """First frame of an utterance and one past its last.

        Raises:
            TaskError: it is not stored.
        """
        if utterance not in self.spans:
            raise TaskError(f"{self.name}: expected utterance {utterance}, found no states of it; store them again")
        return self.spans[utterance]


def open_states(manifest: str | Path) -> StateStore:
    """Open what `write_states` stored, for reading.

    Raises:
        StoreError: it is absent or damaged.
    """
    folder = manifests.described_folder(manifest)
    manifests.verify_files(folder, manifest)
    index = files.read_json(folder / _INDEX)
    spans = zip(index["offset"][:-1], index["offset"][1:], strict=True)
    values = read_array(folder / _VALUES, mapped=True)
    return StateStore(str(folder), values, dict(zip(index["utterances"], spans, strict=True)))
