"""One pass of a model over some utterances of a shard, of which the activation values are kept."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from torch import Tensor

from property_neurons.activations.store import new_activations, rounded
from property_neurons.corpus.recordings import Recording, decode, naming
from property_neurons.errors import CountingError
from property_neurons.progress import progress
from property_neurons.ranks.sites import Site

if TYPE_CHECKING:
    from property_neurons.ranks.reading import Encoder


def store_activations(
    load: "Callable[[], Encoder]",
    utterances: pd.DataFrame,
    store: str | Path,
    *,
    model: str,
    root: str,
) -> None:
    """Read every neuron in every frame of some utterances, and write the activation store.

    Memory: one utterance's activations, and one chunk of the store (4096 frames).

    Args:
        load: gives the encoder; not called where there are no utterances.
        utterances: utterance, audio, n_samples of those to read; the store keeps their order.
        store: the activation store to write (.zarr).
        root: the folder that `audio` lies below.

    Raises:
        AudioError, ModelError: an utterance cannot be read. All errors name the utterance.
        CountingError: the model gave another number of rows than its front end says, or values that are not finite.
    """
    encoder = load() if len(utterances) else None
    recordings = [
        Recording(row.utterance, Path(root) / row.audio, row.n_samples) for row in utterances.itertuples(index=False)
    ]
    sites = [Site(site.layer, site.name, site.width) for site in encoder.sites] if encoder else []
    lengths = [encoder.n_frames(recording.n_samples) for recording in recordings]
    with new_activations(
        store,
        model=model,
        sites=sites,
        utterances=[recording.utterance for recording in recordings],
        root=root,
        audio=utterances["audio"].tolist(),
        offset=np.cumsum([0, *lengths]),
    ) as writer:
        waveforms = progress(decode(recordings), total=len(recordings), what="reading neurons", unit="utterance")
        for recording, waveform in zip(recordings, waveforms, strict=True):
            with naming(recording.utterance):
                writer.append(frame_values(encoder, recording.n_samples, waveform))


def frame_values(encoder: "Encoder", n_samples: int, waveform: np.ndarray) -> list[np.ndarray]:
    """The value of every neuron in every 20 ms frame of one utterance: for each site float16 [frames, neurons].

    Raises:
        ModelError: the model cannot read the utterance.
        CountingError: the model gave another number of rows than its front end says, or values that are not finite.
    """
    pieces: list[list[np.ndarray]] = [[] for _ in encoder.sites]

    def take(site: int, activations: Tensor) -> None:
        pieces[site].append(rounded(activations.float().cpu().numpy()))

    encoder.read_windows(encoder.windows(waveform), take)
    rows = encoder.rows_of_frames(n_samples)
    values = []
    for site, of_site in zip(encoder.sites, pieces, strict=True):
        joined = np.concatenate(of_site)
        if len(joined) != rows[-1] + 1:
            raise CountingError(
                f"layer {site.layer} (site {site.name}): expected {rows[-1] + 1} rows of activations, found "
                f"{len(joined)}; the model's front end and its frame arithmetic disagree"
            )
        if not np.isfinite(joined).all():
            raise CountingError(
                f"layer {site.layer} (site {site.name}): expected finite activations, found NaN; check the weights and "
                "the audio"
            )
        values.append(joined[rows])
    return values
