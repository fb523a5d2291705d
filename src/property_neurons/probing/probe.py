"""One table of what the layers of a model know about phones."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from property_neurons.probing.clusters import probe_clusters
from property_neurons.probing.frames import FrameLabels
from property_neurons.probing.linear import probe_linear
from property_neurons.probing.representations import open_representations
from property_neurons.probing.silhouettes import phone_silhouette
from property_neurons.progress import progress

log = logging.getLogger(__name__)


def probe_representations(manifest: str | Path, *, model: str, clusters: int, seed: int) -> pd.DataFrame:
    """Probe log-Mel frames and every layer of a model, measured on speakers not used to fit.

    Args:
        manifest: of what `representations.write_representations` stored.
        model: the model's name.
        clusters: of k-means.
        seed: of k-means and of the interval.

    Returns:
        one row per layer, 0 for log-Mel, whose values are the same whatever the model: model, layer, representation
        ("log-Mel" or "hidden"), n_fit, n_measured (frames), speakers_fit, speakers_measured, phone_purity,
        cluster_purity, pnmi, probe_accuracy, probe_low, probe_high, probe_converged, majority_accuracy, silhouette

    Raises:
        CorpusError: too few frames of phones.
        StoreError: the store is absent or damaged.
    """
    frames, layers = open_representations(manifest)
    rows = [
        {"model": model, "layer": layer, "representation": "hidden" if layer else "log-Mel"}
        | probe_layer(np.asarray(values), frames, clusters=clusters, seed=seed)
        for layer, values in enumerate(progress(layers, total=len(layers), what="probing", unit="layer"))
    ]
    table = pd.DataFrame(rows)
    if stopped := table.loc[~table["probe_converged"], "layer"].tolist():
        log.warning("%s: the linear probe did not converge in layers %s", model, ", ".join(map(str, stopped)))
    return table


def probe_layer(values: np.ndarray, frames: FrameLabels, *, clusters: int, seed: int) -> dict[str, Any]:
    """Every measure of one representation.

    The silhouette is taken over all frames, since nothing is fitted for it.

    Args:
        values: float32 [frames, width].

    Raises:
        CorpusError: too few frames to fit on.
    """
    clustered = probe_clusters(values, frames, clusters=clusters, seed=seed)
    probed = probe_linear(values, frames, seed=seed)
    fitted = frames.fitted
    return {
        "n_fit": int(fitted.sum()),
        "n_measured": int((~fitted).sum()),
        "speakers_fit": len(np.unique(frames.speaker[fitted])),
        "speakers_measured": len(np.unique(frames.speaker[~fitted])),
        "phone_purity": clustered.phone_purity,
        "cluster_purity": clustered.cluster_purity,
        "pnmi": clustered.pnmi,
        "probe_accuracy": probed.accuracy,
        "probe_low": probed.low,
        "probe_high": probed.high,
        "probe_converged": probed.converged,
        "majority_accuracy": probed.majority,
        "silhouette": phone_silhouette(values, frames.label, frames.phone_class),
    }
