"""Reading the table of learnt gates."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from property_neurons.errors import ModelError


def read_gates(table: pd.DataFrame, widths: Sequence[int]) -> list[np.ndarray]:
    """log_alpha of each network, from a table of `gates.gates_of_task`.

    Raises:
        ModelError: it is of a model of other widths.
    """
    found = [own["log_alpha"].to_numpy(np.float64) for _, own in table.groupby(["layer", "site"], sort=False)]
    if [len(one) for one in found] != list(widths):
        raise ModelError(
            f"gates: expected those of networks of {list(widths)} neurons, found a table of networks of "
            f"{[len(one) for one in found]}; learn them on the model that is pruned"
        )
    return found
