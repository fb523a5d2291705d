"""What rules ask about models: what each is made from, and whether its waveform is normalised."""

from pathlib import Path
from typing import Any

from property_neurons.config.models import (
    EditedModel,
    FolderModel,
    HubModel,
    MelHubertReleaseModel,
    PretrainedModel,
    PrunedModel,
    RandomTwinModel,
    ShippedModel,
    TunedModel,
)
from property_neurons.config.root import Config
from property_neurons.plan import pretraining, tasks

_SHIPPED = Path("resources/models")

_PROJECT = Path(__file__).resolve().parents[3]


def model_source(config: Config, model: str) -> dict[str, Any]:
    """Where a model comes from, as a kind and its own fields."""
    section = config.models[model]
    if isinstance(section, RandomTwinModel):
        return {"kind": section.kind, "of": f"{config.results}/models/{section.of}", "seed": section.seed}
    if isinstance(section, ShippedModel):
        return {"kind": "folder", "path": _shipped(section.name)}
    if isinstance(section, PretrainedModel):
        stage = section.stage or len(config.pretraining[section.run].stages)
        return {"kind": "folder", "path": pretraining.checkpoint(config, section.run, stage)}
    if isinstance(section, TunedModel):
        return {"kind": "folder", "path": f"{tasks.task_run(config, section.task, section.of, section.seed)}/encoder"}
    if isinstance(section, HubModel | FolderModel | MelHubertReleaseModel):
        return section.model_dump(exclude={"normalise", "published_as"})
    return {"kind": section.kind}


def normalise(config: Config, model: str) -> bool | None:
    """Whether a model's waveform is normalised: as it says itself, else as the model it is made of does."""
    section = config.models[model]
    if section.normalise is None and isinstance(section, EditedModel | PrunedModel | RandomTwinModel | TunedModel):
        return normalise(config, section.of)
    return section.normalise


def _shipped(name: str) -> str:
    """The folder of a shipped model; relative where the project is the working directory, so that it may be moved."""
    folder = _SHIPPED / name
    return str(folder if folder.is_dir() else _PROJECT / folder)


def model_files(config: Config, model: str) -> list[str]:
    """The files a model is made from: manifests of what this workflow makes, or the user's own files."""
    source = model_source(config, model)
    if source["kind"] == "random_twin":
        return [f"{source['of']}.manifest.json"]
    if isinstance(config.models[model], PretrainedModel):
        return [f"{source['path']}.manifest.json"]
    if isinstance(config.models[model], TunedModel):
        return [f"{source['path'].removesuffix('/encoder')}.manifest.json"]
    if source["kind"] == "melhubert_release":
        return [source["checkpoint"], source["statistics"]]
    if source["kind"] != "folder":
        return []
    folder = Path(source["path"])
    parts = ("preprocessor_config.json", "processor_config.json", "*.safetensors", "pytorch_model*.bin")
    weights = [str(path) for pattern in parts for path in sorted(folder.glob(pattern))]
    return [f"{source['path']}/config.json", *weights]
