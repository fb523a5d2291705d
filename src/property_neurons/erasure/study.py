"""Erasing the groups of a property in a fine-tuned model, by degrees and beside random neurons (Table 1).

One job goes through all conditions on one model; each is scored on all test utterances. A killed job keeps the
conditions it has finished.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from property_neurons.corpus.recordings import decode
from property_neurons.counting.count_store import Counts
from property_neurons.editing.interventions import Intervention, edited, intervention_of
from property_neurons.editing.parts import SCORED, Divide, divide_errors, error_table
from property_neurons.editing.sets import Masks, most_exclusive
from property_neurons.editing.statistics import activation_statistics
from property_neurons.editing.vocabulary import Action
from property_neurons.erasure.conditions import GROUP, RANDOM, WHOLE, Condition
from property_neurons.erasure.table_terms import NOT_A_GROUP
from property_neurons.errors import ModelError, StoreError, TaskError
from property_neurons.jobs import locks
from property_neurons.models.backend import quiet_transformers
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.groups import site_sets
from property_neurons.neurons.membership import layer_masks
from property_neurons.neurons.random_sets import matched_partners, random_sets_like
from property_neurons.neurons.statistics.vocabulary import PAPER
from property_neurons.progress import progress
from property_neurons.pruning.criteria import neuron_traits
from property_neurons.pruning.vocabulary import RandomSets
from property_neurons.stores import files, manifests
from property_neurons.tasks.examples import Examples, task_recordings
from property_neurons.tasks.f0_tracks import read_f0
from property_neurons.tasks.fine_tuned import FineTuned, load_fine_tuned

log = logging.getLogger(__name__)

SCORE_COLUMNS = ("condition", *SCORED)
_STATISTICS_UTTERANCES = 200
_REMEMBERED_BYTES = 2 << 30
"""Of the model's input for the test part: nine hours of waveforms, or 37 of MelHuBERT's log-Mel frames."""


@dataclass(frozen=True)
class Erasure:
    """What an erasure study erases; the table has the first of `sigmas`, sets of the others are erased whole.

    groups: None = all of the property's.
    selectors: other ways of choosing as many neurons; each one's are erased whole, at the first of `sigmas`.
    draws: random sets for each condition.
    random: how the random sets are chosen. All have as many neurons of the same layers; "matched": with like activation
        frequency and norm, as far as neurons of no group of the property are (see `random_sets.matched_partners`);
        "size": nothing more.
    """

    column: str
    sigmas: Sequence[float]
    definition: SetDefinition
    groups: Sequence[str] | None = None
    doses: Sequence[float] = (1.0,)
    selectors: Sequence[str] = ()
    draws: int = 5
    random: RandomSets = "matched"
    action: Action = "zero"
    factor: float = 0.5
    percentile: float = 50.0
    batch_size: int = 8


def erase_groups(
    folder: str | Path,
    work: str | Path,
    training: str | Path,
    model: str | Path,
    counts: Counts,
    erasure: Erasure,
    *,
    roots: Mapping[str, str],
    selected: pd.DataFrame | None = None,
    frames: Sequence[str | Path] = (),
    device: str = "cpu",
    seed: int = 0,
    code: str = "",
) -> None:
    """Score every condition, and write `folder`: conditions.tsv, scores.parquet (`SCORE_COLUMNS`), description.json.

    Args:
        work: where finished conditions wait for the others; removed when done.
        training: manifest of a training of mode fine_tuned.
        model: manifest of the trained model as a prepared model, on which `counts` were made.
        roots: the folder that each corpus's audio paths start from.
        selected: the neurons that selectors choose (of `selector_comparison.compare_selectors`), for `selectors`.
        frames: the frame stores that the task's references come from, for a property of F0.
        seed: of random sets, with the draw's number.
        code: fingerprint, so that conditions scored by other code are not taken over.

    Raises:
        TaskError, ModelError: groups that the property does not have; counts of another model; selectors compared on
            other counts.
        StoreError: an input is absent or damaged, or another process scores this.
    """
    with locks.sole_process(work), quiet_transformers():
        trained = load_fine_tuned(training, model=model, device=device)
        examples = trained.examples("test", roots, remembered=_REMEMBERED_BYTES)
        f0 = read_f0(examples.table, frames) if erasure.column == "f0" else None
        divide = divide_errors(trained.data, counts, erasure.column, f0)
        edits = list(_edits(trained, counts, erasure, selected, seed))
        how = _intervention(trained, erasure, roots)
        identity = _identity(training, model, erasure, code) | {"cells": counts.cells, "cuts": counts.pitch_cuts_hz}
        tables, finished = [], []
        for number, edit in enumerate(progress(edits, what=f"erasing {counts.property_name}", unit="edit")):
            file = Path(work) / f"{_digest(identity, edit.masks)}.parquet"
            if not _is_whole(file):
                files.write_table(file, _scores(trained, examples, divide, edit.masks, how, erasure.batch_size))
                manifests.record_digest(file)
            tables.append(files.read_table(file).assign(condition=number))
            finished.append(file)
        widths = [site.width for site in counts.sites]
        traits = neuron_traits(trained.encoder.model, counts)
        rows = [asdict(edit.condition) | _described(edit, traits) for edit in edits]
        with manifests.new_described_folder(folder) as temporary:
            files.write_table(temporary / "conditions.tsv", pd.DataFrame(rows))
            files.write_table(temporary / "scores.parquet", pd.concat(tables)[list(SCORE_COLUMNS)])
            description = {
                "task": trained.job.task,
                "kind": trained.data.kind,
                "model": counts.model,
                "corpus": counts.corpus,
                "property": counts.property_name,
                "groups": list(counts.groups),
                "action": erasure.action,
                "random": erasure.random,
                "seed": seed,
                "widths": widths,
                "pitch_cuts_hz": counts.pitch_cuts_hz,
                "split_digest": trained.data.description["split_digest"],
            }
            files.write_json(temporary / "description.json", description)
        _clear(Path(work), finished)


def _clear(work: Path, finished: Sequence[Path]) -> None:
    """Remove the conditions that are in the result now; set aside those of other settings or code."""
    for file in finished:
        manifests.forget_digest(file)
        file.unlink(missing_ok=True)
    if any(work.glob("*.parquet")):
        log.warning("%s: conditions of other settings, data or code; moved to %s", work, files.set_aside(work))
    else:
        shutil.rmtree(work, ignore_errors=True)


def _is_whole(file: Path) -> bool:
    """Whether a condition has been scored before; the log names damaged scores, which are made anew."""
    if not manifests.has_digest(file):
        return False
    try:
        manifests.check_digest(file)
    except StoreError as error:
        log.warning("%s. This condition is scored again.", str(error).partition(";")[0])
        manifests.forget_digest(file)
        return False
    return True


@dataclass(frozen=True)
class _Edit:
    """A condition and its neurons; others: those of the property's other groups, network by network."""

    condition: Condition
    masks: Masks
    others: Masks


def _edits(
    trained: FineTuned, counts: Counts, erasure: Erasure, selected: pd.DataFrame | None, seed: int
) -> Iterator[_Edit]:
    widths = [site.width for site in counts.sites]
    found = [site.width for site in trained.encoder.sites]
    if widths != found:
        raise ModelError(
            f"erasure of {counts.property_name}: expected counts of networks of {found} neurons, found those of "
            f"{counts.model}, of {widths}; count activations of the model that is edited"
        )
    groups = list(counts.groups if erasure.groups is None else erasure.groups)
    unknown = [group for group in groups if group not in counts.groups]
    if unknown:
        raise TaskError(
            f"erasure of {counts.property_name}: expected groups among {', '.join(counts.groups)}, found "
            f"{', '.join(unknown)}; correct `groups`"
        )
    if taken := sorted(NOT_A_GROUP & set(counts.groups)):
        raise TaskError(
            f"erasure of {counts.property_name}: expected groups of other names than {', '.join(sorted(NOT_A_GROUP))}, "
            f"which stand for the utterances of several groups, found {', '.join(taken)}; call that group otherwise"
        )
    none = [np.zeros(width, dtype=bool) for width in widths]
    yield _Edit(Condition(WHOLE), none, none)
    traits = neuron_traits(trained.encoder.model, counts) if erasure.random == "matched" else None
    for place, sigma in enumerate(erasure.sigmas):
        sets = site_sets(counts, replace(erasure.definition, sigma=sigma))
        for group in groups:
            number = counts.groups.index(group)
            doses = {dose: most_exclusive(sets, number, dose) for dose in (erasure.doses if place == 0 else (1.0,))}
            others = [site.property_neurons & ~site.group_neurons[number] for site in sets]
            seeds = [(1000 * seed + draw, number) for draw in range(erasure.draws)]
            yield from _of_group(Condition(GROUP, group, sigma, selector=PAPER), doses, others, traits, seeds)
            if not erasure.selectors or place:
                continue
            _check_selected(selected, group, doses[1.0], counts)
            for selector in erasure.selectors:
                _check_chooses(selected, selector, counts)
                chosen = {name: _selected_masks(selected, selector, name, widths) for name in counts.groups}
                whole = {1.0: chosen.pop(group)}
                others = [np.logical_or.reduce(of_network) for of_network in zip(none, *chosen.values(), strict=True)]
                at = Condition(GROUP, group, sigma, selector=selector)
                yield from _of_group(at, whole, others, traits, seeds)


def _selected_masks(selected: pd.DataFrame, selector: str, group: str, widths: Sequence[int]) -> list[np.ndarray]:
    return layer_masks(selected[(selected["selector"] == selector) & (selected["group"] == group)], widths)


def _check_selected(selected: pd.DataFrame | None, group: str, paper: Masks, counts: Counts) -> None:
    """Check that selectors were compared on the counts of the sets: equations 3 to 5 must give the same sets there."""
    if selected is None:
        raise TaskError(
            f"erasure of {counts.property_name}: expected the neurons that selectors choose, found none; compare "
            "selectors first"
        )
    there = _selected_masks(selected, PAPER, group, [len(mask) for mask in paper])
    differing = [layer for layer, (one, other) in enumerate(zip(paper, there, strict=True), 1) if (one != other).any()]
    if differing:
        raise TaskError(
            f"erasure of {counts.property_name}: expected the neurons of {group} by equations 3 to 5 among those that "
            f"selectors choose on {counts.corpus}, found others in layer {differing[0]}; compare selectors on the same "
            "counts, by the same definition"
        )


def _check_chooses(selected: pd.DataFrame, selector: str, counts: Counts) -> None:
    """Refuse a selector that the comparison lacks: it would erase nothing, which looks like no effect."""
    if not (selected["selector"] == selector).any():
        raise TaskError(
            f"erasure of {counts.property_name}: expected neurons that {selector} chooses on {counts.corpus}, found "
            "none of any group; compare selectors again (those of values: raise browser.minutes), or leave it out"
        )


def _of_group(
    at: Condition,
    doses: Mapping[float, Masks],
    others: Masks,
    traits: Sequence[np.ndarray] | None,
    seeds: Sequence[Sequence[int]],
) -> Iterator[_Edit]:
    """One group's neurons by dose, ending with the whole set; each dose is followed by its random sets."""
    partners = [_partners(doses[1.0], others, traits, seed) for seed in seeds] if traits is not None else []
    for dose, own in doses.items():
        yield _Edit(replace(at, dose=dose), own, others)
        for draw, seed in enumerate(seeds):
            # The sets of one draw lie within each other, as the group's do from dose to dose.
            drawn = _of_partners(own, partners[draw]) if partners else random_sets_like(own, seed)
            yield _Edit(replace(at, kind=RANDOM, dose=dose, draw=draw), drawn, others)


def _partners(whole: Masks, others: Masks, traits: Sequence[np.ndarray], seed: Sequence[int]) -> list[np.ndarray]:
    """For each network the partner of each neuron, -1 for neurons that are not of the set."""
    found = []
    for place, (own, theirs, values) in enumerate(zip(whole, others, traits, strict=True)):
        partner = np.full(len(own), -1)
        partner[own] = matched_partners(own, values, [*seed, place, 2], others=theirs)
        found.append(partner)
    return found


def _of_partners(own: Masks, partners: Sequence[np.ndarray]) -> list[np.ndarray]:
    drawn = [np.zeros(len(one), dtype=bool) for one in own]
    for mask, one, partner in zip(drawn, own, partners, strict=True):
        mask[partner[one]] = True
    return drawn


def _described(edit: _Edit, traits: Sequence[np.ndarray]) -> dict[str, Any]:
    """How many neurons a condition edits, how many of them are other groups', and means of their frequency and norm."""
    sizes = [int(mask.sum()) for mask in edit.masks]
    theirs = sum(int((mask & other).sum()) for mask, other in zip(edit.masks, edit.others, strict=True))
    edited_ones = np.concatenate([values[mask] for values, mask in zip(traits, edit.masks, strict=True)])
    frequency, norm = edited_ones.mean(axis=0) if len(edited_ones) else (np.nan, np.nan)
    per_layer = ",".join(map(str, sizes))
    return {
        "neurons": sum(sizes),
        "neurons_per_layer": per_layer,
        "of_other_groups": theirs,
        "frequency": frequency,
        "norm": norm,
    }


def _intervention(trained: FineTuned, erasure: Erasure, roots: Mapping[str, str]) -> Intervention:
    statistics = None
    if erasure.action in ("mean", "clamp"):
        table = trained.data.part("train")
        some = table.sample(min(len(table), _STATISTICS_UTTERANCES), random_state=0).sort_values("utterance")
        waveforms = decode(task_recordings(some, roots))
        statistics = activation_statistics(trained.encoder, waveforms)
    return intervention_of(erasure.action, factor=erasure.factor, percentile=erasure.percentile, statistics=statistics)


def _scores(
    trained: FineTuned, examples: Examples, divide: Divide, masks: Masks, how: Intervention, batch_size: int
) -> pd.DataFrame:
    if any(mask.any() for mask in masks):
        with edited(trained.encoder.model, masks, how):
            return error_table(trained, examples, divide, batch_size)
    return error_table(trained, examples, divide, batch_size)


def _identity(training: str | Path, model: str | Path, erasure: Erasure, code: str) -> dict[str, Any]:
    """What a condition's scores depend on, apart from the edited neurons."""
    how = {key: value for key, value in asdict(erasure).items() if key in ("column", "action", "factor", "percentile")}
    inputs = [manifests.read_manifest(manifest)["digest"] for manifest in (training, model)]
    return {"inputs": inputs, "code": code} | how


def _digest(identity: Mapping[str, Any], masks: Masks) -> str:
    digest = hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=16)
    for mask in masks:
        digest.update(np.packbits(mask).tobytes())
    return digest.hexdigest()
