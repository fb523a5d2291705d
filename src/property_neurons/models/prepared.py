"""A prepared model: a local folder, and a manifest that describes it."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from property_neurons.errors import StoreError
from property_neurons.models.backend import transformers
from property_neurons.models.features import SAMPLING_RATE, load_front_end
from property_neurons.models.loading import load_encoder
from property_neurons.stores import files, manifests

# Copied, never imported: it takes transformers as it comes, without `models.backend`.
PRUNED_LOADER = Path(__file__).with_name("load_pruned.py")


def describe_model(folder: Path, source: dict[str, Any]) -> dict[str, Any]:
    """What a model's manifest says beside its files; see `prepare_model`.

    Raises:
        ModelError: the folder holds no model whose neurons are known.
    """
    encoder = load_encoder(folder)
    return {
        "class": type(encoder.model).__name__,
        "source": source,
        "sites": [{"layer": site.layer, "name": site.name, "width": site.width} for site in encoder.sites],
        "n_parameters": sum(parameter.numel() for parameter in encoder.model.parameters()),
        "sampling_rate": SAMPLING_RATE,
        "normalised": encoder.front_end.normalised,
    }


def save_derived(
    folder: str | Path,
    manifest: str | Path,
    model: "transformers.PreTrainedModel",
    source_folder: Path,
    origin: dict[str, Any],
    record: tuple[str, dict[str, Any]],
    tables: Mapping[str, pd.DataFrame] = MappingProxyType({}),
    *,
    copies: Sequence[str | Path] = (),
    replace: bool = False,
) -> None:
    """Write a model that was made of a prepared one as a prepared model: folder and manifest, both whole or absent.

    Args:
        source_folder: of the model that it was made of, whose front end it takes over.
        origin: the manifest's note on where the model comes from.
        record: name and content of a further file in its folder.
        tables: further tables in its folder, by their names.
        copies: further files that its folder gets a copy of.
        replace: take the place of what is there.

    Raises:
        StoreError: something is there and may not be replaced.
    """
    if not replace:
        check_unused(folder, manifest)
    description: dict[str, Any] = {}
    with manifests.new_described_folder(folder, manifest, noted=description, replace=replace) as temporary:
        model.save_pretrained(temporary)
        load_front_end(source_folder, model.config).extractor.save_pretrained(temporary)
        files.write_json(temporary / record[0], record[1])
        for name, table in tables.items():
            files.write_table(temporary / name, table)
        for path in copies:
            shutil.copyfile(path, temporary / Path(path).name)
        description |= describe_model(temporary, origin)


def check_unused(folder: str | Path, manifest: str | Path) -> None:
    """Check that nothing lies where a model is to be written; stores of other kinds have such manifests, too.

    Raises:
        StoreError: something is at `folder` or `manifest`.
    """
    files.check_free(folder)
    if Path(manifest).exists():
        raise StoreError(f"{manifest}: expected nothing there, found a manifest; choose another name, or delete it")
