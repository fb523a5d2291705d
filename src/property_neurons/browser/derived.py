"""What pruning and edits did to each neuron of a model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from property_neurons.errors import StoreError
from property_neurons.stores import manifests
from property_neurons.stores.files import read_json

# As `pruning.prune` and `editing.saved` call them, whose code the tables do not depend on.
_PRUNING, _EDITING = "pruning.json", "editing.json"

KEPT, REMOVED, UNTOUCHED = "kept", "removed", "untouched"
"""What was done to a neuron, beside the action of an edit ("zero", "scale")."""


@dataclass(frozen=True)
class Derived:
    """A model made of another one.

    model: name of the new model. done: for each feed-forward network, what was done to each neuron, text [width].
    number: each neuron's number in the new model, int64 [width]; -1 where it was removed.
    """

    model: str
    done: tuple[np.ndarray, ...]
    number: tuple[np.ndarray, ...]

    def fate(self, site: int, neuron: int) -> dict[str, Any]:
        """What became of one neuron: model, done, number."""
        return {"model": self.model, "done": str(self.done[site][neuron]), "number": int(self.number[site][neuron])}


def read_derived(manifest: str | Path, widths: list[int], of: str) -> Derived:
    """Read the record of a pruned or an edited model.

    Args:
        widths: neurons of each feed-forward network of the original model.
        of: digest of the original model.

    Raises:
        StoreError: the folder has no such record, it is altered, or it was made of another model.
    """
    folder = manifests.described_folder(Path(manifest))
    manifests.verify_files(folder, Path(manifest))
    pruned = (folder / _PRUNING).is_file()
    record = read_json(folder / (_PRUNING if pruned else _EDITING))
    if record["digest"] != of:
        raise StoreError(
            f"{folder}: expected a model made of the one with digest {of}, found {record['digest']}; make it anew"
        )
    done, number = [], []
    for site, width in enumerate(widths):
        if pruned:
            place = np.full(width, -1, np.int64)
            place[record["kept"][site]] = np.arange(len(record["kept"][site]))
            done.append(np.where(place >= 0, KEPT, REMOVED))
        else:
            place = np.arange(width)
            edited = np.isin(place, record["neurons"].get(str(site + 1), []))
            done.append(np.where(edited, record["action"], UNTOUCHED))
        number.append(place)
    return Derived(folder.name, tuple(done), tuple(number))
