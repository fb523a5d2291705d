"""Models of the Hugging Face hub: the files that a model needs, and no others, out of the local cache or downloaded."""

from collections.abc import Callable, Iterable
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import EntryNotFoundError
from huggingface_hub.utils import httpx

from property_neurons.errors import ModelError, printable, some_of
from property_neurons.models.folder import (
    PREPROCESSORS,
    WEIGHTS,
    read_config,
    refuse_adapters,
    shards,
    takes_waveform,
)

_TIMEOUT_S = 10.0
Fetch = Callable[[str], Path]


def download(model_id: str, revision: str, normalise: bool | None = None) -> Path:
    """The snapshot of a model in the local cache, after downloading the missing files; its name is the commit.

    Downloads config.json, the feature extractor's settings and one form of the weights: safetensors where there are
    any. Adapters, other precisions and training checkpoints are left out. Where the hub does not answer, a complete
    snapshot is used.

    Args:
        normalise: what the configuration says about the waveform; where it says nothing, the settings of the feature
            extractor are needed too.

    Raises:
        ModelError: there is no such model, it holds an adapter alone, or the hub does not answer and the cache lacks
            something.
    """
    about = f"{printable(model_id)}, revision {printable(revision)}"
    try:
        info = huggingface_hub.HfApi().model_info(model_id, revision=revision, timeout=_TIMEOUT_S)
        names = [sibling.rfilename for sibling in info.siblings or ()]
    except (OSError, ValueError, httpx.HTTPError) as error:
        # A cache need not be whole: it holds what somebody else asked for.
        lacks = missing_from_cache(model_id, revision, normalise)
        if not lacks:
            return _cached(model_id, "config.json", revision).parent
        raise ModelError(
            f"{about}: expected a model on the Hugging Face hub, found {_said(error)}; the local cache lacks "
            f"{some_of(lacks)}; correct id and revision, or without a network copy the whole snapshot into the cache, "
            'or give a local folder (kind "folder")'
        ) from error
    refuse_adapters(model_id, names)
    if "config.json" not in names:
        raise ModelError(f"{about}: expected a config.json, found none among its {len(names)} files; correct the id")
    try:
        # Of the branch, so that the cache knows its commit without a network; the others of this commit.
        config = Path(huggingface_hub.hf_hub_download(model_id, "config.json", revision=revision))
        commit = config.parent.name

        def fetch(name: str) -> Path:
            return Path(huggingface_hub.hf_hub_download(model_id, name, revision=commit))

        for name in PREPROCESSORS:
            if name in names:
                fetch(name)
        _fetch_weights(about, names, fetch)
    except (EntryNotFoundError, OSError, ValueError, httpx.HTTPError) as error:
        raise ModelError(
            f"{about}: expected to download it from the Hugging Face hub, found {_said(error)}; try again"
        ) from error
    return config.parent


def _fetch_weights(about: str, names: Iterable[str], fetch: Fetch) -> None:
    found = next((name for name in WEIGHTS if name in names), None)
    if found is None:
        raise ModelError(
            f"{about}: expected weights ({', '.join(WEIGHTS)}), found none of these among its files; load the model "
            'with transformers, save_pretrained it, and give that folder (kind "folder")'
        )
    file = fetch(found)
    if found.endswith(".index.json"):
        for shard in shards(file):
            fetch(shard)


def missing_from_cache(model_id: str, revision: str = "main", normalise: bool | None = None) -> list[str]:
    """The files of a model that the local cache lacks: none where its snapshot can be used without a network.

    A snapshot holds what was asked for when it was made, and no list of what there is. Settings of the feature
    extractor that are not there may be missing or not exist: for a model that takes the waveform, with `normalise`
    unset, they count as missing.

    Raises:
        ModelError: what is there cannot be read, or is no model whose neurons are known.
    """
    config = _cached(model_id, "config.json", revision)
    if config is None:
        return ["config.json"]
    folder = config.parent
    refuse_adapters(folder, (path.name for path in folder.iterdir()))
    lacks = []
    if normalise is None and takes_waveform(read_config(folder)):
        unknown = [name for name in PREPROCESSORS if not _known(model_id, name, revision)]
        if not any((folder / name).is_file() for name in PREPROCESSORS) and unknown:
            lacks.append("preprocessor_config.json (or set `normalise`)")
    found = next((name for name in WEIGHTS if (folder / name).is_file()), None)
    if found is None:
        lacks.append("model.safetensors or pytorch_model.bin")
    elif found.endswith(".index.json"):
        lacks += [name for name in shards(folder / found) if not (folder / name).is_file()]
    return lacks


def _cached(model_id: str, name: str, revision: str) -> Path | None:
    try:
        found = huggingface_hub.try_to_load_from_cache(model_id, name, revision=revision)
    except ValueError as error:
        raise ModelError(
            f"{printable(model_id)}: expected the id of a model on the Hugging Face hub, found {_said(error)}; "
            "correct the id"
        ) from error
    return Path(found) if isinstance(found, str) else None


def _known(model_id: str, name: str, revision: str) -> bool:
    """Whether the cache holds a file, or knows that the hub does not."""
    return huggingface_hub.try_to_load_from_cache(model_id, name, revision=revision) is not None


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {printable((str(error).strip() or 'no detail').splitlines()[0])}"
