"""The tables that the pages of the browser are made of."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from property_neurons.browser.f0 import has_f0
from property_neurons.browser.pages import (
    ERASURE_COLUMNS,
    Limits,
    PropertyView,
    Site,
    phones_of,
    seconds_of,
    with_clips,
)
from property_neurons.browser.utterances import kept_utterances
from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.phones import PAPER_PHONES
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import read_manifest, store_path


def read_site(job: Any) -> Site:
    """Read what the pages show besides the tables of neurons, from the `snakemake` object of a script."""
    kept = kept_utterances(job.input.checked)
    phones, inventory, f0 = {}, PAPER_PHONES, False
    pairs = set(zip(kept["subset"], kept["utterance"], strict=True))
    for manifest in job.input.frames:
        frames = open_frames(store_path(manifest), pairs)
        inventory, f0 = frames.inventory, has_f0(frames)
        for index in np.flatnonzero(frames.kept):
            part = slice(frames.offset[index], frames.offset[index + 1])
            phones[frames.utterances[index]] = phones_of(frames.label[part], frames.segment[part], inventory.labels)
    views = {}
    tables = {name: getattr(job.input, name) for name in ("null", "stability", "summary", "cells")}
    for index, name in enumerate(job.params.properties):
        read = {key: read_table(paths[index]) for key, paths in tables.items()}
        planes = list(job.params.planes)
        plane = planes.index(name) if name in planes else None
        views[name] = PropertyView(
            groups=list(dict.fromkeys(read["summary"]["group"].astype(str))),
            points=None if plane is None else read_table(job.input.points[plane]),
            silhouettes=None if plane is None else read_table(job.input.silhouettes[plane]),
            **read,
        )
    minutes = seconds_of(int(kept["n_samples"].sum())) / 60
    speech = f"{minutes:,.0f} minutes, {len(kept):,} utterances, {kept['speaker'].nunique():,} speakers"
    return Site(
        model=job.wildcards.model,
        corpus=job.wildcards.corpus,
        settings={
            **job.params.settings,
            "speech": speech,
            "digest of the model": read_manifest(job.input.model)["digest"],
        },
        properties=views,
        utterances=kept.assign(
            seconds=[seconds_of(n) for n in kept["n_samples"]], phones=[phones[name] for name in kept["utterance"]]
        ),
        licence=job.params.licence,
        lambda_=job.params.lambda_,
        audio=job.params.audio,
        limits=Limits(**job.params.limits),
        erasures=_erasures(job.input.erasures),
        inventory=inventory,
        has_f0=f0,
    )


def _erasures(paths: Sequence[str]) -> pd.DataFrame:
    """The rows of all tables."""
    tables = [read_table(path)[list(ERASURE_COLUMNS)] for path in paths]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(ERASURE_COLUMNS))


def read_examples(path: str | Path) -> pd.DataFrame:
    """The examples, each with its place in the clips of its layer."""
    return with_clips(read_table(path))
