"""Findings about checkpoints on disk or on the hub that would stop the preparation of a model; no model is loaded."""

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import httpx

from property_neurons.config.models import HubModel
from property_neurons.doctor.finding import Finding
from property_neurons.errors import ModelError, PropertyNeuronsError, printable, some_of
from property_neurons.models.folder import WEIGHTS, inspect_folder, read_config, refuse_adapters, weight_files
from property_neurons.models.hub import missing_from_cache

_HUB_TIMEOUT_S = 5.0


def folder_findings(about: str, folder: str | Path, normalise: bool | None, fatal: bool) -> Iterator[Finding]:
    """The first thing that keeps a `from_pretrained` folder from being used.

    Args:
        normalise: what the configuration says about the waveform.
    """
    folder = Path(folder)
    try:
        inspect_folder(folder, normalise)
        if any(file.suffix == ".bin" for file in weight_files(folder)):
            # Slow to import, and not needed where weights are safetensors.
            from property_neurons.models.weights import stored_weights

            # Torch's pickles are mapped, and every tensor held against the file.
            with stored_weights(folder, whisper=read_config(folder)["model_type"] == "whisper"):
                pass
    except ModelError as error:
        yield Finding.of_error(about, error, fatal)
    except OSError as error:
        yield Finding(about, f"a model folder that can be read at {printable(folder)}", str(error), "mend it", fatal)


def hub_findings(about: str, section: HubModel, fatal: bool) -> Iterator[Finding]:
    """Whether a model of the hub can be used from the local cache, or can be downloaded."""
    try:
        lacks = missing_from_cache(section.id, section.revision, section.normalise)
        if not lacks:
            config = huggingface_hub.try_to_load_from_cache(section.id, "config.json", revision=section.revision)
            yield from folder_findings(about, Path(config).parent, section.normalise, fatal)
            return
    except ModelError as error:
        yield Finding.of_error(about, error, fatal)
        return
    expected = (
        f"{section.id}, revision {section.revision}, complete in the local cache, or to be downloaded from the Hugging "
        "Face hub"
    )
    try:
        info = huggingface_hub.HfApi().model_info(section.id, revision=section.revision, timeout=_HUB_TIMEOUT_S)
    except (HfHubHTTPError, HFValidationError, httpx.HTTPError, OSError, ValueError) as error:
        remedy = "correct id and revision; without a network copy the whole snapshot, or give a folder (kind: folder)"
        found = f"a cache that lacks {some_of(lacks)}, and {type(error).__name__}: {printable(_first_line(error))}"
        yield Finding(about, expected, found, remedy, fatal)
        return
    names = [sibling.rfilename for sibling in info.siblings or ()]
    try:
        refuse_adapters(section.id, names)
    except ModelError as error:
        yield Finding.of_error(about, error, fatal)
        return
    if "config.json" not in names or not set(names) & set(WEIGHTS):
        found = f"{len(names)} files on the hub, without config.json or any of {', '.join(WEIGHTS)}"
        remedy = "load the model with transformers, save_pretrained it, and give that folder (kind: folder)"
        yield Finding(about, expected, found, remedy, fatal)


def release_findings(about: str, field: str, path: str, fatal: bool) -> Iterator[Finding]:
    """What keeps a file of a released MelHuBERT from being read.

    Args:
        field: "checkpoint" or "statistics".
    """
    # Slow to import, and of use for these models alone.
    from property_neurons.models.melhubert.conversion import read_checkpoint, read_statistics

    try:
        (read_checkpoint if field == "checkpoint" else read_statistics)(Path(path))
    except PropertyNeuronsError as error:
        yield Finding.of_error(about, error, fatal)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "no detail").splitlines()[0]
