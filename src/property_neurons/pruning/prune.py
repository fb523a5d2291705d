"""One pruning step: from a prepared model, its property neurons and a criterion to a smaller prepared model."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import torch

from property_neurons.counting.count_store import Counts
from property_neurons.errors import ModelError
from property_neurons.models.backend import quiet_transformers
from property_neurons.models.ffn import ffn_sites
from property_neurons.models.loading import load_base_model
from property_neurons.models.prepared import PRUNED_LOADER, check_unused, save_derived
from property_neurons.models.pruned import remove_neurons
from property_neurons.neurons.membership import check_origin, property_masks, union
from property_neurons.neurons.random_sets import matched_sets, random_sets_like
from property_neurons.pruning.calibration import read_calibration
from property_neurons.pruning.criteria import CRITERIA, Evidence, neuron_traits
from property_neurons.pruning.gates_table import read_gates
from property_neurons.pruning.selection import select
from property_neurons.pruning.vocabulary import Criterion, Match, RandomSets, score_of, shield_of
from property_neurons.stores import manifests

log = logging.getLogger(__name__)

RECORD = "pruning.json"
"""File of a pruned model's folder: the cut, and for each network how many neurons were protected (null where none were
to be) and which stayed, by their old numbers."""


@dataclass(frozen=True)
class Cut:
    """The settings of a pruning step.

    criterion: the score of neurons (see `criteria.CRITERIA`); the lowest score is removed first. "protect_wanda"
        removes by "wanda", property neurons last; "random_protect_wanda" does the same with random sets in place of
        property neurons; "protect" and "random_protect" go by "norm".
    keep: share of the neurons that stay.
    rows: neurons of each network that stay, instead of `keep`; with neither, as many in each as there are property
        neurons, so that "protect" keeps these alone.
    match: see `selection.select`.
    bias: whether the bias counts in the norm.
    random: how random sets are chosen. All have as many neurons of the same layers; "matched": with like activation
        frequency and norm, too (see `random_sets.matched_sets`); "size": nothing more.
    seed: of "random" and of random sets.
    """

    criterion: Criterion
    keep: float | None = None
    rows: int | None = None
    match: Match = "per_layer"
    bias: bool = True
    random: RandomSets = "matched"
    seed: int = 0

    @property
    def matched(self) -> bool:
        """Whether random sets match the property neurons."""
        return shield_of(self.criterion) == "random_protect" and self.random == "matched"

    def __post_init__(self) -> None:
        wrong = [
            f"{name}: expected {' or '.join(known)}, found {value!r}"
            for name, value, known in (
                ("criterion", self.criterion, get_args(Criterion)),
                ("match", self.match, get_args(Match)),
                ("random", self.random, get_args(RandomSets)),
            )
            if value not in known
        ]
        if self.keep is not None and not 0 < self.keep <= 1:
            wrong.append(f"keep: expected a share above 0 and up to 1, found {self.keep}")
        if self.rows is not None and (not isinstance(self.rows, int) or self.rows < 1):
            wrong.append(f"rows: expected a whole number from 1, found {self.rows}")
        if self.keep is not None and self.rows is not None:
            wrong.append("expected keep or rows, found both")
        if not isinstance(self.seed, int) or self.seed < 0:
            wrong.append(f"seed: expected a whole number from 0, found {self.seed}")
        if wrong:
            raise ModelError(f"cut: {'; '.join(wrong)}; correct it")


def prune_model(
    folder: str | Path,
    manifest: str | Path,
    model: str | Path,
    cut: Cut,
    *,
    neurons: Mapping[str, pd.DataFrame],
    sizes_of: str | Path | None = None,
    counts: Counts | None = None,
    calibration: pd.DataFrame | None = None,
    replace: bool = False,
) -> None:
    """Write the pruned model to `folder`, with a record of the pruning, and its description to `manifest`.

    Both are whole or absent. The folder has load_pruned.py, which loads it where property_neurons is not installed.

    Args:
        model: the manifest (`x.manifest.json` beside the folder `x`) of the prepared model.
        neurons: the neuron tables of properties by name, found on this model; the protected set is their union.
        sizes_of: the manifest of another, equally wide model on which `neurons` were found. They then only give the
            number of protected random neurons and of neurons that stay. Not for "protect" or matched random sets.
        counts: activation counts of this model, for "frequency" and for matched random sets.
        calibration: measures of this model's neurons on calibration speech (`calibration.Calibration.table`); for "l0"
            its learnt gates (`gates.gates_of_task`).
        replace: take the place of what is in `folder`.

    Raises:
        ModelError: a table is of another model, or the counts of one of other widths; a network would be left without
            neurons; something that the pruning needs is not given.
        StoreError: the model is absent or altered; something is in `folder` and may not be replaced.
    """
    source = Path(model)
    source_folder = manifests.described_folder(source)
    described = manifests.verify_files(source_folder, source)
    if sizes_of is not None and shield_of(cut.criterion) == "protect":
        raise ModelError("cut: expected the property neurons of the model itself to protect, found those of another")
    if sizes_of is not None and cut.matched:
        raise ModelError(
            "cut: expected the property neurons of the model itself to match random sets with, found those of another; "
            "leave out sizes_of, or set random to size"
        )
    found_on = described if sizes_of is None else manifests.read_manifest(sizes_of)
    for name, table in neurons.items():
        check_origin(table, found_on["digest"], name=f"{name} neurons")
    if calibration is not None:
        check_origin(calibration, described["digest"], name="calibration")
    if not replace:
        check_unused(folder, manifest)
    with quiet_transformers():
        whole = load_base_model(source_folder, dtype="auto")
        shielded = protected_neurons(whole, cut, neurons, counts)
        if shielded is not None and not any(one.any() for one in shielded):
            log.warning(
                "%s: no property neurons in any layer, so that `%s` is `%s`",
                folder,
                cut.criterion,
                score_of(cut.criterion),
            )
        kept = neurons_that_stay(whole, cut, neurons, counts, calibration)
        pruned = remove_neurons(whole, [torch.from_numpy(one) for one in kept])
        origin = {"kind": "pruned", "of": str(source_folder), "digest": described["digest"], **asdict(cut)}
        origin["properties"] = list(neurons)
        if calibration is not None:
            origin["calibration"] = dict(calibration.attrs)
        if sizes_of is not None:
            origin["sizes_of"] = str(manifests.described_folder(sizes_of))
        protected = None if shielded is None else [int(one.sum()) for one in shielded]
        record = (RECORD, origin | {"protected": protected, "kept": [one.tolist() for one in kept]})
        save_derived(folder, manifest, pruned, source_folder, origin, record, copies=[PRUNED_LOADER], replace=replace)


def neurons_that_stay(
    model: torch.nn.Module,
    cut: Cut,
    neurons: Mapping[str, pd.DataFrame],
    counts: Counts | None = None,
    calibration: pd.DataFrame | None = None,
) -> list[np.ndarray]:
    """The neurons that stay in each feed-forward network of a base model, int64, ascending.

    Raises:
        ModelError: as `prune_model`.
    """
    sites = ffn_sites(model)
    widths = [site.width for site in sites]
    shielded = protected_neurons(model, cut, neurons, counts)
    sizes = _sizes(cut, widths, _property_neurons(widths, cut, neurons), [site.name for site in sites])
    known = gates = None
    if calibration is not None and cut.criterion == "l0":
        gates = read_gates(calibration, widths)
    elif calibration is not None:
        known = read_calibration(calibration, widths)
    evidence = Evidence(model, counts, known, gates, bias=cut.bias, seed=cut.seed)
    scores = CRITERIA[score_of(cut.criterion)].scores(evidence)
    return select(scores, sizes, match=cut.match, protected=shielded)


def protected_neurons(
    model: torch.nn.Module, cut: Cut, neurons: Mapping[str, pd.DataFrame], counts: Counts | None = None
) -> list[np.ndarray] | None:
    """The neurons that are removed last: bool [neurons] for each network of a base model; None without protection.

    Raises:
        ModelError: as `prune_model`.
    """
    found = _property_neurons([site.width for site in ffn_sites(model)], cut, neurons)
    match shield_of(cut.criterion):
        case "protect":
            return found
        case "random_protect" if cut.matched:
            return matched_sets(found, neuron_traits(model, counts, bias=cut.bias), cut.seed)
        case "random_protect":
            return random_sets_like(found, cut.seed)
    return None


def _property_neurons(widths: Sequence[int], cut: Cut, neurons: Mapping[str, pd.DataFrame]) -> list[np.ndarray] | None:
    """The union of the tables; None where there are none and none are needed."""
    masks = [property_masks(table, widths, name=name) for name, table in neurons.items()]
    if masks:
        return union(masks)
    if (cut.keep is None and cut.rows is None) or shield_of(cut.criterion) is not None:
        raise ModelError(f"pruning by {cut.criterion}: expected tables of property neurons, found none; give them")
    return None


def _sizes(cut: Cut, widths: Sequence[int], protected: Sequence[np.ndarray] | None, names: Sequence[str]) -> list[int]:
    if cut.rows is not None:
        narrow = [name for name, width in zip(names, widths, strict=True) if width < cut.rows]
        if narrow:
            raise ModelError(
                f"pruning to {cut.rows} neurons a layer: feed-forward network {', '.join(narrow)} has fewer "
                f"({min(widths)}); lower rows"
            )
        return [cut.rows] * len(widths)
    if cut.keep is not None:
        return [max(1, round(cut.keep * width)) for width in widths]
    sizes = [int(one.sum()) for one in protected]
    empty = [name for name, size in zip(names, sizes, strict=True) if not size]
    if empty:
        raise ModelError(
            f"pruning to the size of the property neurons: feed-forward network {', '.join(empty)} has none and would "
            "be left empty; set keep to a share of the neurons, or name more properties"
        )
    return sizes
