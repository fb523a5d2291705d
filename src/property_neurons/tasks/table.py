"""A task's table, as it is read: utterances with their parts and references."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from property_neurons.stores import files, manifests

Kind = Literal["phone_recognition", "speaker_identification", "f0_reconstruction"]
KINDS: tuple[Kind, ...] = ("phone_recognition", "speaker_identification", "f0_reconstruction")

COLUMNS = ("corpus", "subset", "utterance", "speaker", "gender", "audio", "audio_digest", "n_samples", "part")


@dataclass(frozen=True)
class TaskData:
    """The utterances of a task.

    table: `COLUMNS`, and `reference`: units int16 [units], the speaker's number int16 [1], or ln F0 float32 [frames of
        20 ms], NaN where unvoiced.
    labels: names of units or speakers, in the order of their numbers; empty for F0.
    description: kind, split digest, amounts by part.
    """

    table: pd.DataFrame
    labels: tuple[str, ...]
    description: Mapping[str, Any]

    @property
    def kind(self) -> Kind:
        """The kind of task."""
        return self.description["kind"]

    def part(self, name: str) -> pd.DataFrame:
        """The utterances of "train", "dev" or "test"."""
        return self.table[self.table["part"] == name].reset_index(drop=True)

    def training_mean(self) -> float:
        """Mean ln F0 of the voiced training frames."""
        references = [np.asarray(one, np.float64) for one in self.part("train")["reference"]]
        return float(np.nanmean(np.concatenate(references)))


def read_task_data(manifest: str | Path) -> TaskData:
    """Read what `make_table.write_task_data` wrote.

    Raises:
        StoreError: it is absent or damaged.
    """
    manifest = Path(manifest)
    description = manifests.verify_files(manifest.parent, manifest)
    table = files.read_table(f"{manifests.described_folder(manifest)}.parquet")
    return TaskData(table, tuple(description["labels"]), description)
