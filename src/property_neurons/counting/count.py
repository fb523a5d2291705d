"""Counting activations: in how many frames of each cell each neuron was among the tau most active (section 1)."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from property_neurons.corpus.frame_store import FrameShard
from property_neurons.corpus.frame_values import FrameFiles, open_frame_files
from property_neurons.counting.cell_sums import add_rows
from property_neurons.counting.count_store import Counts, open_counts
from property_neurons.counting.join import open_shards, rank_rows
from property_neurons.counting.layout import NO_GROUP, Layout
from property_neurons.counting.properties import Property
from property_neurons.counting.sampling import Sampling, sample_frames
from property_neurons.errors import CountingError
from property_neurons.progress import progress
from property_neurons.ranks.sites import Site
from property_neurons.ranks.store import RankStore
from property_neurons.stores.zarr import add_array, new_store

log = logging.getLogger(__name__)

# Counts of as many sites as fit here are held at a time; further sites cost another pass over the rank stores.
_COUNTS_IN_MEMORY_BYTES = 1 << 29
_CELLS_PER_CHUNK = 4096
_BYTES_OF_COUNT = 8
_MOST_COUNTS = 1 << 27
"""Of one site, 1.1 GB. What makes sets of them holds them twice, in a job that asks for 4 GB."""


def count_activations(
    shards: Sequence[tuple[str | Path, str | Path | FrameFiles]],
    property_: Property,
    sampling: Sampling,
    *,
    lambda_: float,
    corpus: str,
    output: str | Path,
    keep: Collection[tuple[str, str]] | None = None,
) -> Counts:
    """Count, for one property, from the stored ranks of all shards of a corpus, and write the count store.

    Memory does not grow with the number of shards, nor with the number of sites: 8 bytes for each cell and neuron of
    one site, or of as many sites as fit into 512 MiB. The log says how much that is before ranks are read.

    Args:
        shards: (rank store, frame store) of each shard, the latter with what the property reads beside it.
        keep: the (subset, utterance) pairs to count; None for all.
        output: the count store to write (.zarr).

    Raises:
        CountingError: the stores do not belong together, tau exceeds the ranks kept, the ranks are of other frames
            than the rule samples, an utterance is missing or occurs twice; the counts of one site do not fit into
            memory.
        ConfigError: the corpus does not have the property's column.
        StoreError: a store is damaged.
    """
    ranks, tau = open_shards(shards, property_.name, sampling, lambda_, keep)
    sites = ranks[0].sites
    frame_stores = [frame_store for _, frame_store in shards]
    layout = property_.lay_out(open_frame_files(store, keep) for store in frame_stores)
    _check_fits(property_.name, layout, sites)
    passes = _passes(sites, len(layout.cells))
    held = max(sum(sites[site].width for site in chosen) for chosen in passes) * len(layout.cells) * _BYTES_OF_COUNT
    log.info("counts of %s: %s cells, %.1f MB at a time", property_.name, f"{len(layout.cells):,}", held / 1e6)

    with new_store(output) as store:
        for number, chosen in enumerate(passes, start=1):
            what = f"counting {property_.name}" + (f", pass {number} of {len(passes)}" if len(passes) > 1 else "")
            counts = {site: np.zeros((len(layout.cells), sites[site].width), dtype=np.int64) for site in chosen}
            n = np.zeros(len(layout.cells), dtype=np.int64)
            unranked = 0
            for ranks_of_shard, frame_store in progress(
                list(zip(ranks, frame_stores, strict=True)), what=what, unit="shard"
            ):
                rows, cells, without = _shard_rows(
                    ranks_of_shard, open_frame_files(frame_store, keep), layout, sampling
                )
                unranked += without
                n += np.bincount(cells, minlength=len(n))
                for site in chosen:
                    add_rows(counts[site], ranks_of_shard.ids(site, tau[site]), rows, cells)
            for site in chosen:
                chunks = (min(len(layout.cells), _CELLS_PER_CHUNK), sites[site].width)
                add_array(store, f"counts/{site:02d}", counts[site], chunks=chunks)
        add_array(store, "n", n)
        store.attrs.update(
            {
                "model": ranks[0].model,
                "corpus": corpus,
                "property": property_.name,
                "sites": [asdict(site) for site in sites],
                "lambda": lambda_,
                "tau": tau,
                "labels": list(dict.fromkeys(label for _, label in layout.cells)),
                "groups": list(layout.groups),
                "cells": [list(cell) for cell in layout.cells],
                "settings": asdict(sampling) | {"property": asdict(property_)},
                "ties": [sum(shard.tied_rows(site, tau[site]) for shard in ranks) for site in range(len(sites))],
                "unranked": unranked,
                "pitch_cuts_hz": layout.pitch_cuts_hz,
            }
        )
    return open_counts(output)


def _check_fits(name: str, layout: Layout, sites: Sequence[Site]) -> None:
    cells, groups, widest = len(layout.cells), len(layout.groups), max(site.width for site in sites)
    if cells * widest <= _MOST_COUNTS:
        return
    most = _MOST_COUNTS // (widest * -(-cells // groups))
    raise CountingError(
        f"property {name}: expected at most {_MOST_COUNTS:,} counts of one layer, found {cells * widest:,} "
        f"({cells * widest * _BYTES_OF_COUNT / 1e9:.1f} GB): {cells:,} cells of {groups:,} groups x {widest:,} neurons"
        f"; put the values of the property into fewer groups ({most:,} of this kind fit)"
    )


def _passes(sites: Sequence[Site], n_cells: int) -> list[list[int]]:
    passes: list[list[int]] = []
    held = 0
    for index, site in enumerate(sites):
        size = n_cells * site.width * _BYTES_OF_COUNT
        if not passes or held + size > _COUNTS_IN_MEMORY_BYTES:
            passes.append([])
            held = 0
        passes[-1].append(index)
        held += size
    return passes


def _shard_rows(
    ranks: RankStore, frames: FrameShard, layout: Layout, sampling: Sampling
) -> tuple[np.ndarray, np.ndarray, int]:
    """Rows of the rank store and their cells, by ascending cell, and how many sampled frames have no row."""
    sample = sample_frames(frames, sampling)
    rows = rank_rows(ranks, frames, sample.position)
    cells = layout.cells_of(frames, sample)
    in_a_cell = cells != NO_GROUP
    counted = in_a_cell & (rows >= 0)
    order = np.argsort(cells[counted], kind="stable")
    return rows[counted][order], cells[counted][order], int((in_a_cell & (rows < 0)).sum())
