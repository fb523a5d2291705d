"""Measures of neurons on calibration speech, by which some criteria score them; measured once for all criteria."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from property_neurons.errors import ModelError
from property_neurons.models.ffn import Site

MEASURES = ("magnitude", "square", "taylor", "fisher")


@dataclass(frozen=True)
class Calibration:
    """Means over calibration speech, float64 [neurons] for each feed-forward network; a is a neuron's activation.

    magnitude: of |a| over frames.
    square: of a² over frames.
    taylor: of the sum over frames of a dL/da, over utterances; None where the model has no task, whose loss is L.
    fisher: of the square of that sum, over utterances. For a model without a task, L is a random projection of the last
        hidden states, a new one for each utterance. The mean is then that of |Σ a dh/da|²: to first order, the squared
        change of these states when the neuron is removed.
    """

    magnitude: list[np.ndarray]
    square: list[np.ndarray]
    fisher: list[np.ndarray]
    taylor: list[np.ndarray] | None = None

    def table(self, sites: Sequence[Site]) -> pd.DataFrame:
        """A row for each neuron: layer, site, neuron, and `MEASURES`."""
        rows = []
        for place, site in enumerate(sites):
            own = {name: getattr(self, name)[place] for name in MEASURES if getattr(self, name) is not None}
            neurons = np.arange(len(self.square[place]))
            rows.append(pd.DataFrame({"layer": site.layer, "site": site.name, "neuron": neurons} | own))
        return pd.concat(rows, ignore_index=True).reindex(columns=["layer", "site", "neuron", *MEASURES])


def read_calibration(table: pd.DataFrame, widths: Sequence[int]) -> Calibration:
    """From a table of `Calibration.table`.

    Raises:
        ModelError: it is of a model of other widths.
    """
    sites = [own for _, own in table.groupby(["layer", "site"], sort=False)]
    found = [len(own) for own in sites]
    if found != list(widths):
        raise ModelError(
            f"calibration: expected what networks of {list(widths)} neurons do, found a table of networks of {found}; "
            "calibrate the model that is pruned"
        )
    values = {name: [own[name].to_numpy(np.float64) for own in sites] for name in MEASURES}
    if table["taylor"].isna().all():
        values["taylor"] = None
    return Calibration(**values)
