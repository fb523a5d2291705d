"""One pass of a model over some utterances of a shard, which keeps their activation values."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from property_neurons.activations.store import new_activations, rounded
from property_neurons.corpus.recordings import Recording, decode_into, naming, recordings_of
from property_neurons.errors import CountingError
from property_neurons.progress import progress
from property_neurons.ranks.sites import Site, check_rows

if TYPE_CHECKING:
    from property_neurons.ranks.reading import Encoder


def store_activations(
    load: "Callable[[], tuple[Encoder, int]]",
    utterances: pd.DataFrame,
    store: str | Path,
    *,
    model: str,
    root: str,
    model_digest: str = "",
) -> None:
    """Read every neuron in every frame of some utterances, and write the activation store.

    Memory: one utterance's activations, and one chunk of the store (4096 frames).

    Args:
        load: gives the encoder, and how many threads decode ahead of it; not called where there are no utterances.
        utterances: utterance, audio, n_samples of those to read; the store keeps their order.
        store: the activation store to write (.zarr).
        root: the folder that `audio` lies below.
        model_digest: of the model's manifest.

    Raises:
        AudioError, ModelError: an utterance cannot be read. All errors name the utterance.
        CountingError: the model gave another number of rows than its front end says, or values that are not finite.
    """
    encoder, decoders = load() if len(utterances) else (None, 0)
    recordings = recordings_of(utterances, root)
    sites = [Site(site.layer, site.name, site.width) for site in encoder.sites] if encoder else []
    lengths = [_n_frames(encoder, recording) for recording in recordings]
    with new_activations(
        store,
        model=model,
        model_digest=model_digest,
        sites=sites,
        utterances=[recording.utterance for recording in recordings],
        root=root,
        audio=utterances["audio"].tolist(),
        offset=np.cumsum([0, *lengths]),
    ) as writer:
        # Without an encoder there is nothing to decode.
        decoded = decode_into(encoder.windows, recordings, decoders) if encoder else ()
        windows = progress(decoded, total=len(recordings), what="reading neurons", unit="utterance")
        for recording, of_utterance in zip(recordings, windows, strict=True):
            with naming(recording.utterance):
                writer.append(frame_values(encoder, recording.n_samples, of_utterance))


def _n_frames(encoder: "Encoder", recording: Recording) -> int:
    with naming(recording.utterance):
        return encoder.n_frames(recording.n_samples)


def frame_values(encoder: "Encoder", n_samples: int, windows: Sequence[Any]) -> list[np.ndarray]:
    """The value of every neuron in every 20 ms frame of one utterance: for each site float16 [frames, neurons].

    windows: the utterance as the model takes it in.

    Raises:
        ModelError: the model cannot read the utterance.
        CountingError: the model gave another number of rows than its front end says, or values that are not finite.
    """
    pieces: list[list[np.ndarray]] = [[] for _ in encoder.sites]

    def take(site: int, activations: torch.Tensor) -> None:
        if not torch.isfinite(activations).all():
            at = encoder.sites[site]
            raise CountingError(
                f"layer {at.layer} (site {at.name}): expected finite activations, found NaN or infinite ones; check "
                "the weights and the audio"
            )
        pieces[site].append(rounded(activations.float().cpu().numpy()))

    encoder.read_windows(windows, take)
    rows = encoder.rows_of_frames(n_samples)
    values = []
    for site, of_site in zip(encoder.sites, pieces, strict=True):
        joined = np.concatenate(of_site)
        check_rows(site, rows[-1] + 1, len(joined))
        values.append(joined[rows])
    return values
