"""How many frames the cells of each property have, as far as an earlier run tells."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from property_neurons import plan
from property_neurons.config.properties import source_of
from property_neurons.config.root import Config
from property_neurons.corpus.alignments import FRAME_US
from property_neurons.corpus.frame_labels import label_utterances
from property_neurons.corpus.frame_store import FrameShard
from property_neurons.corpus.frame_values import open_frame_files
from property_neurons.corpus.phone_tables import phone_table
from property_neurons.corpus.utterance_columns import known_columns
from property_neurons.counting.job import frame_files
from property_neurons.counting.layout import NO_GROUP
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling, sample_frames
from property_neurons.errors import PropertyNeuronsError, StoreError
from property_neurons.neurons.cells import pattern_cells
from property_neurons.stores.files import read_table

# What is read in a second or two. More speech than that has few cells with too little.
_MOST_UTTERANCES = 3_000


def cell_counts(config: Config, corpus: str) -> dict[str, pd.DataFrame]:
    """For each property whose cells are known: group, label and n of the cells whose patterns can enter a set.

    As counted by an earlier run, else from the frames, else (but for properties of F0) from the scan.
    """
    used = plan.analysis.used_properties(config)
    counted = {name: cells for name in used if (cells := _counted(config, corpus, name)) is not None}
    others = [name for name in used if name not in counted]
    return counted | (_from_frames(config, corpus, others) if others else {})


def _counted(config: Config, corpus: str, name: str) -> pd.DataFrame | None:
    # Models give the same number of frames, or one less for an utterance.
    for model in config.models:
        table = Path(plan.paths.neurons(config, model, corpus, name)).with_suffix(".cells.tsv")
        if table.is_file():
            try:
                return pattern_cells(read_table(table))
            except StoreError:
                continue
    return None


def _from_frames(config: Config, corpus: str, properties: Sequence[str]) -> dict[str, pd.DataFrame]:
    try:
        tables = [_scanned(config, corpus, subset) for subset in plan.corpora.subsets(config, corpus)]
        if not tables or sum(map(len, tables)) > _MOST_UTTERANCES:
            return {}
        shards = _frames(config, corpus) or list(_frames_of_scan(config, corpus, tables))
        settings = plan.analysis.counting_settings(config)
        settings.pop("lambda_")
        samples = [sample_frames(shard, Sampling(**settings)) for shard in shards]
    except (PropertyNeuronsError, OSError, KeyError):
        # Not there yet, or damaged, which others say.
        return {}
    found = {}
    for name in properties:
        without_f0 = source_of(config.properties[name]) == "f0" and shards[0].pitch == "none"
        # Clusters in place of phones are not looked into.
        if without_f0 or plan.analysis.units(config, corpus, name):
            continue
        try:
            layout = make_property(name, **plan.analysis.property_settings(config, name)).lay_out(shards)
        except PropertyNeuronsError:
            continue
        cells = [layout.cells_of(shard, sample) for shard, sample in zip(shards, samples, strict=True)]
        table = pd.DataFrame(layout.cells, columns=["group", "label"])
        counted = [of_shard[of_shard != NO_GROUP] for of_shard in cells]
        table["n"] = np.bincount(np.concatenate(counted), minlength=len(table))
        found[name] = pattern_cells(table)
    return found


def _scanned(config: Config, corpus: str, subset: str) -> pd.DataFrame:
    table = f"{plan.paths.subset(config, corpus, subset)}/utterances.parquet"
    return read_table(table)


def _frames(config: Config, corpus: str) -> list[FrameShard]:
    stores = [
        Path(f"{plan.paths.frames(config, corpus)}/{shard}.zarr") for shard in plan.corpora.shards(config, corpus)
    ]
    if not all(store.is_dir() for store in stores):
        return []
    with warnings.catch_warnings():
        # Of Snakemake's own file in a store.
        warnings.simplefilter("ignore")
        columns = [path for path in plan.corpora.columns(config, corpus) if Path(path).is_file()]
        manifests = [plan.paths.manifest(str(store.with_suffix(""))) for store in stores]
        return [open_frame_files(files) for files in frame_files(manifests, columns=columns)]


def _frames_of_scan(config: Config, corpus: str, tables: Sequence[pd.DataFrame]) -> Iterator[FrameShard]:
    """Frames without F0, one shard for each subset."""
    inventory = phone_table(**plan.corpora.phones(config, corpus)).inventory
    for subset, utterances in zip(plan.corpora.subsets(config, corpus), tables, strict=True):
        folder = plan.paths.subset(config, corpus, subset)
        segments = read_table(f"{folder}/segments.parquet", ["utterance", "start_us", "end_us", "label"])
        by_utterance = dict(list(segments.groupby("utterance", sort=False)))
        labels, owners = label_utterances(
            utterances["utterance"], utterances["n_labels"], by_utterance, inventory.silence
        )
        rows = pd.concat([segments.iloc[:0], *(by_utterance[utterance] for utterance in utterances["utterance"])])
        yield FrameShard(
            name=folder,
            utterances=tuple(utterances["utterance"]),
            kept=np.ones(len(utterances), dtype=bool),
            columns=known_columns(utterances),
            offset=np.concatenate([[0], np.cumsum(utterances["n_labels"].to_numpy(np.int64))]),
            frame_us=FRAME_US,
            label=labels,
            segment=owners,
            segment_start=rows["start_us"].to_numpy(),
            segment_end=rows["end_us"].to_numpy(),
            pitch="none",
            pitch_offset=np.zeros(len(utterances) + 1, dtype=np.int64),
            pitch_values=np.empty(0, dtype=np.float32),
            inventory=inventory,
        )
