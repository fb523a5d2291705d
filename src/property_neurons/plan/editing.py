"""What rules ask about edited models and erasure studies."""

from typing import Any

from property_neurons.config.models import (
    EditedModel,
    TunedModel,
)
from property_neurons.config.root import Config
from property_neurons.plan import analysis, tasks


def edited_models(config: Config) -> list[str]:
    """The models that are edited ones of others."""
    return [name for name, section in config.models.items() if isinstance(section, EditedModel)]


def edit_settings(config: Config, model: str) -> dict[str, Any]:
    """What an edit depends on beside its inputs, as fields of `editing.saved.Edit`."""
    section = config.models[model]
    settings = section.model_dump(include={"groups", "action", "random"})
    return settings | ({"factor": section.factor} if section.action == "scale" else {})


def edited_table(config: Config, model: str) -> str:
    """The neuron table that an edit takes its set from."""
    section = config.models[model]
    corpus = section.corpus or config.figures.corpus
    return f"{config.results}/neurons/{section.of}/{corpus}/{section.property}.parquet"


def erased_model(config: Config, study: str, seed: int | str) -> str:
    """The name of the fine-tuned model that an erasure study edits."""
    section = config.erasure[study]
    tuned = TunedModel(kind="tuned", of=section.model, task=section.task, seed=int(seed))
    return next(name for name, model in config.models.items() if model == tuned)


def erasure_training(config: Config, study: str, seed: int | str) -> str:
    """The folder of the training whose model an erasure study edits."""
    section = config.erasure[study]
    return tasks.task_run(config, section.task, section.model, int(seed))


def erasure_settings(config: Config, study: str) -> dict[str, Any]:
    """What an erasure depends on beside its inputs, as fields of `erasure.study.Erasure`."""
    section = config.erasure[study]
    settings = section.model_dump(include={"groups", "doses", "draws", "action", "batch_size"})
    own = {"scale": {"factor"}, "clamp": {"percentile"}}.get(section.action, set())
    column = config.properties[section.property].column
    sigmas = section.sigmas or [config.analysis.sigma]
    return (
        settings
        | section.model_dump(include=own)
        | analysis.pattern_settings(config)
        | {"column": column, "sigmas": sigmas}
    )
