"""What rules ask about models: what each is made from."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from property_neurons.config.models import (
    FolderModel,
    HubModel,
    MelHubertReleaseModel,
    PretrainedModel,
    RandomTwinModel,
    ShippedModel,
    TunedModel,
    WhisperWheelModel,
)
from property_neurons.config.root import Config
from property_neurons.models.folder import needed_names
from property_neurons.plan import paths, pretraining

_DRIVER = "/proc/driver/nvidia/version"


def environment(config: Config, resources: Iterable[str]) -> str:
    """The conda environment of rules that run a model, in envs/: built for CUDA where they may find a GPU.

    With `device: auto` that is on the nodes of a Slurm, and on a machine with an NVIDIA driver.

    Args:
        resources: names of those that a profile, or the command line, gives to rules: the same for snakemake, its dry
            run and its jobs on nodes, where the executor is another one each time.
    """
    submitted = any(name.startswith("slurm_") for name in resources)
    on_gpus = config.device == "cuda" or (config.device == "auto" and (submitted or Path(_DRIVER).exists()))
    return "models-cuda" if on_gpus else "models-cpu"


def source(config: Config, model: str) -> dict[str, Any]:
    """Where a model comes from, as a kind and its own fields."""
    section = config.models[model]
    match section:
        case RandomTwinModel():
            return {"kind": section.kind, "of": paths.model(config, section.of), "seed": section.seed}
        case ShippedModel():
            return {"kind": "folder", "path": paths.shipped(f"resources/models/{section.name}")}
        case PretrainedModel():
            return {"kind": "folder", "path": pretraining.model_checkpoint(config, section)}
        case TunedModel():
            training = paths.training(config, section.task, section.of, section.seed)
            return {"kind": "folder", "path": f"{training}/encoder"}
        case HubModel() | FolderModel() | MelHubertReleaseModel() | WhisperWheelModel():
            return section.model_dump(exclude={"published_as"})
    return {"kind": section.kind}


def found_on(config: Config, model: str) -> str:
    """The corpus on which the neurons that a pruned or an edited model depends on were found."""
    return config.models[model].corpus or config.figures.corpus


def own_files(config: Config, model: str) -> list[str]:
    """The user's own files that a model is made from."""
    of_the_user = isinstance(config.models[model], MelHubertReleaseModel | FolderModel)
    return source_files(config, model) if of_the_user else []


def source_files(config: Config, model: str) -> list[str]:
    """The files a model is made from: manifests of what this workflow makes, or the user's own files."""
    section, made_from = config.models[model], source(config, model)
    match section:
        case RandomTwinModel():
            return [paths.manifest(made_from["of"])]
        case PretrainedModel():
            return [paths.manifest(made_from["path"])]
        case TunedModel():
            return [paths.manifest(made_from["path"].removesuffix("/encoder"))]
        case MelHubertReleaseModel():
            return [section.checkpoint, section.statistics]
        case FolderModel() | ShippedModel():
            return [f"{made_from['path']}/{name}" for name in needed_names(Path(made_from["path"]))]
    return []
