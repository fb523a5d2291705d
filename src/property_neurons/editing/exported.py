"""Sets of neurons as JSON, for other programs: by layer, module and number, and as components of pyvene."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from property_neurons.editing.sets import Masks
from property_neurons.models.ffn import Site


def exported_set(masks: Masks, sites: Sequence[Site], origin: Mapping[str, Any]) -> dict[str, Any]:
    """A set of neurons in plain values.

    Args:
        masks: bool [neurons] for each site.
        sites: where the model has them, in the same order.
        origin: what is known of the set (model, groups ...), taken over as it is.

    Returns:
        `origin`, and `neurons`: for each site with some, its layer (number of the feed-forward network in the model's
        order, from 1, as in tables), block (of the Transformer, from 1; a conformer's has two networks), site (name),
        width, module (the second linear layer, whose input is the activation), component (the same as pyvene names it)
        and neurons (ids from 0, ascending).
    """
    neurons = [
        {
            "layer": layer,
            "block": site.layer,
            "site": site.name,
            "width": site.width,
            "module": site.module,
            "component": re.sub(r"\.(\d+)", r"[\1]", site.module) + ".input",
            "neurons": np.flatnonzero(mask).tolist(),
        }
        for layer, (site, mask) in enumerate(zip(sites, masks, strict=True), start=1)
        if mask.any()
    ]
    return {**origin, "neurons": neurons}
