"""An edited model as an ordinary `from_pretrained` folder, with a record of what was done to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from property_neurons.editing.interventions import baked, intervention_of
from property_neurons.editing.sets import group_set
from property_neurons.editing.statistics import Statistics
from property_neurons.editing.vocabulary import Action
from property_neurons.models.backend import quiet_transformers
from property_neurons.models.ffn import ffn_sites
from property_neurons.models.loading import load_base_model
from property_neurons.models.prepared import PRUNED_LOADER, check_unused, save_derived
from property_neurons.models.pruned import ffn_widths
from property_neurons.neurons.random_sets import random_sets_like
from property_neurons.stores import manifests

RECORD = "editing.json"
"""File of an edited model's folder: what was done, and to which neurons of each feed-forward network."""


@dataclass(frozen=True)
class Edit:
    """An edit: what is done to which neurons.

    groups: whose group neurons, taken together.
    action: "zero" (the paper's), "mean", "scale" by `factor`, or, live only, "clamp" to `percentile`.
    random: seed of the control, which edits as many random neurons of each layer instead; None = no control.
    """

    groups: tuple[str, ...]
    action: Action = "zero"
    factor: float = 0.5
    percentile: float = 50.0
    random: int | None = None

    def record(self) -> dict[str, Any]:
        """The edit as plain values, without settings that do not matter to it."""
        fields: dict[str, Any] = {"groups": list(self.groups), "action": self.action, "random": self.random}
        own = {"scale": {"factor": self.factor}, "clamp": {"percentile": self.percentile}}
        return fields | own.get(self.action, {})


def save_edited(
    folder: str | Path,
    manifest: str | Path,
    model: str | Path,
    edit: Edit,
    table: pd.DataFrame,
    *,
    statistics: Statistics | None = None,
    name: str = "neuron table",
    replace: bool = False,
) -> None:
    """Write the edited model to `folder`, with the record of the edit, and its description to `manifest`.

    Both are whole or absent.

    Args:
        model: the manifest (`x.manifest.json` beside the folder `x`) of the prepared model.
        table: the neuron table of a property, found on this model.
        statistics: for "mean".
        name: of the table, for messages.
        replace: take the place of what is in `folder`.

    Raises:
        ModelError: the table is of another model, the set is empty, or no weights do what is asked.
        StoreError: the model is absent or altered; something is in `folder` and may not be replaced.
    """
    source = Path(model)
    source_folder = manifests.described_folder(source)
    described = manifests.verify_files(source_folder, source)
    if not replace:
        check_unused(folder, manifest)
    with quiet_transformers():
        whole = load_base_model(source_folder, dtype="auto")
        widths = [site.width for site in ffn_sites(whole)]
        masks = edited_set(table, edit, widths, digest=described["digest"], name=name)
        how = intervention_of(edit.action, factor=edit.factor, percentile=edit.percentile, statistics=statistics)
        changed = baked(whole, masks, how)
        origin = {"kind": "edited", "of": str(source_folder), "digest": described["digest"], **edit.record()}
        origin["table"] = {key: value for key, value in table.attrs.items() if isinstance(value, str | float | int)}
        ids = {str(layer): np.flatnonzero(mask).tolist() for layer, mask in enumerate(masks, start=1) if mask.any()}
        record = (RECORD, origin | {"neurons": ids})
        copies = [PRUNED_LOADER] if ffn_widths(changed.config) else []
        save_derived(folder, manifest, changed, source_folder, origin, record, copies=copies, replace=replace)


def edited_set(
    table: pd.DataFrame, edit: Edit, widths: Sequence[int], *, digest: str | None, name: str = "neuron table"
) -> list[np.ndarray]:
    """The neurons that an edit changes: those of its groups, or random ones in their place.

    Raises:
        ModelError: as `sets.group_set`.
    """
    masks = group_set(table, edit.groups, widths, digest=digest, name=name)
    return masks if edit.random is None else random_sets_like(masks, edit.random)
