"""What rules ask about pruned models and the studies that compare them."""

from typing import Any

from property_neurons.config.checks.models import tuned_under
from property_neurons.config.expand_studies import Expansion, Run, add_pruning
from property_neurons.config.models import DistilledModel, PretrainedModel, PrunedModel
from property_neurons.config.properties import frequency_property
from property_neurons.config.pruning import CALIBRATED_ON_TASK, GeneralPruning, TaskSpecificPruning
from property_neurons.config.root import Config
from property_neurons.errors import ConfigError
from property_neurons.plan import analysis, corpora, paths, pretraining, tasks
from property_neurons.plan.models import found_on


def models(config: Config) -> list[str]:
    """The pruned models."""
    return [name for name, section in config.models.items() if isinstance(section, PrunedModel)]


def distilled(config: Config) -> list[str]:
    """The models that learn to give the hidden states of others."""
    return [name for name, section in config.models.items() if isinstance(section, DistilledModel)]


def distillation_settings(config: Config, model: str) -> dict[str, Any]:
    """What a distillation depends on beside its inputs, as fields of `pruning.distillation.Distillation`."""
    left_out = {"kind", "published_as", "of", "teacher", "corpus", "validation_share", "workers", "save_every"}
    return config.models[model].model_dump(exclude=left_out)


def distillation_running_settings(config: Config, model: str) -> dict[str, Any]:
    """The other fields; they change no result, so a change runs nothing again."""
    return config.models[model].model_dump(include={"workers", "save_every"})


def settings(config: Config, model: str) -> dict[str, Any]:
    """The settings of a pruned model, as fields of `pruning.prune.Cut`: only those that can change it."""
    section = config.models[model]
    size = "keep" if section.rows is None else "rows"
    own = section.model_dump(include={"criterion", size, "match"})
    # Matched random sets are alike in norm, whatever the score.
    if section.score in ("norm", "l2") or section.matched:
        own["bias"] = section.bias
    if section.score == "random" or section.protects == "random_protect":
        own["seed"] = section.seed
    if section.protects == "random_protect":
        own["random"] = section.random
    return own


def neuron_tables(config: Config, model: str) -> list[str]:
    """The tables of property neurons that a pruned model depends on."""
    section = config.models[model]
    if not section.needs_neurons:
        return []
    found_in, on = section.sizes_of or section.of, found_on(config, model)
    return [paths.neurons(config, found_in, on, name) for name in section.properties]


def sizes_of(config: Config, model: str) -> str | None:
    """The folder of another model whose property neurons give the sizes; None where the model's own do."""
    section = config.models[model]
    return paths.model(config, section.sizes_of) if section.sizes_of and section.needs_neurons else None


def frequency_counts(config: Config, model: str) -> list[str]:
    """The manifest of the counts of activations that a pruned model depends on."""
    section = config.models[model]
    if not section.needs_frequencies:
        return []
    name = frequency_property(section.properties, config.properties)
    return [paths.manifest(paths.counts(config, section.of, found_on(config, model), name))]


def calibration(config: Config, model: str) -> list[str]:
    """The table of calibration speech for the model to prune, where it is needed."""
    section = config.models[model]
    if not section.needs_calibration:
        return []
    if section.criterion == "l0":
        return [paths.gates(config, model)]
    return [paths.calibration(config, section.of, calibration_on(config, model))]


def gated(config: Config) -> list[str]:
    """The models that are pruned by learnt gates."""
    return [name for name in models(config) if config.models[name].criterion == "l0"]


def gates_settings(config: Config, model: str) -> dict[str, Any]:
    """How a model's gates are learnt, as arguments of `gates.gates_of_task`."""
    section = config.models[model]
    size = section.keep if section.rows is None else section.rows
    return config.pruning.gates.model_dump() | config.pruning.calibration.model_dump() | {"size": size}


def calibration_on(config: Config, model: str) -> str:
    """The speech that calibrates the model which `model` is pruned out of: a corpus, or `CALIBRATED_ON_TASK`."""
    of = config.models[model].of
    return found_on(config, model) if tuned_under(config, of) is None else CALIBRATED_ON_TASK


def calibration_corpus(config: Config, model: str) -> list[str]:
    """The corpus on which the gates of a model without a task are learnt, checked; none where there is a task."""
    speech = calibration_on(config, model)
    return [] if speech == CALIBRATED_ON_TASK else [f"{paths.corpus(config, speech)}/checked.json"]


def calibration_training(config: Config, model: str) -> str | None:
    """The training of the task that a model, or what it was pruned out of, was fine-tuned on."""
    tuned = tuned_under(config, model)
    return None if tuned is None else paths.training(config, tuned.task, tuned.of, tuned.seed)


def calibration_roots(config: Config, model: str, speech: str) -> dict[str, str]:
    """The folder that the audio paths of each corpus start from."""
    tuned = tuned_under(config, model)
    names = tasks.corpora_of(config, tuned.task) if speech == CALIBRATED_ON_TASK else [speech]
    return {name: corpora.root(config, name) for name in names}


def calibration_speech(config: Config, study: str) -> str:
    """What calibrates the criteria of a study that need it, in words."""
    speech = dict.fromkeys(
        calibration_on(config, name)
        for name, section in _expanded(config, study).models.items()
        if isinstance(section, PrunedModel) and section.needs_calibration
    )
    words = ("the task's training part" if name == CALIBRATED_ON_TASK else name for name in speech)
    return f"up to {config.pruning.calibration.utterances} utterances of {' or '.join(words)}" if speech else ""


def figure_of(section: GeneralPruning | TaskSpecificPruning) -> str:
    """Which figure of the paper shows a study."""
    return "fig6" if isinstance(section, GeneralPruning) else "fig9"


def recovery_title(section: GeneralPruning | TaskSpecificPruning) -> str:
    """By what a study recovers a pruned model without labels, in words; "" where it fine-tunes on the task."""
    if not isinstance(section, GeneralPruning):
        return ""
    return "masked prediction" if section.distillation is None else "distillation"


def figure_name(study: str, section: GeneralPruning | TaskSpecificPruning) -> str:
    """The name of a study's own figure."""
    return figure_of(section) if study in ("general", "task_specific") else study


def runs(config: Config, study: str) -> list[Run]:
    """The trainings of a study."""
    return _expanded(config, study).runs


def runs_with_recovery(config: Config, study: str) -> str:
    """The table of a study's runs, some of them after recovery or fine-tuning.

    Raises:
        ConfigError: all tasks have `steps: 0`, so there would be nothing to draw but the pruning steps themselves.
    """
    section = config.pruning.by_name()[study]
    if isinstance(section, TaskSpecificPruning) and not any(task.steps for task in section.tasks.values()):
        figure = figure_name(study, section)
        raise ConfigError(
            f"pruning study {study}: expected a task that is fine-tuned after pruning steps for the figure {figure}, "
            f"found `steps: 0` for each; ask for {config.results}/figures/{figure}_cut.pdf, or set `steps`"
        )
    return f"{config.results}/pruning/{study}/runs.tsv"


def cells(config: Config, study: str) -> dict[str, str]:
    """For each property whose neurons a study protects, the table of how many frames its cells have."""
    found: dict[str, str] = {}
    for name, section in _expanded(config, study).models.items():
        if isinstance(section, PrunedModel):
            for of, table in zip(section.properties, neuron_tables(config, name), strict=False):
                found.setdefault(of, f"{table.removesuffix('.parquet')}.{analysis.cells_of_sets(config)}.tsv")
    return found


def _expanded(config: Config, study: str) -> Expansion:
    added = Expansion()
    add_pruning(added, study, config.pruning.by_name()[study], config.tasks)
    return added


def trainings(config: Config, study: str) -> list[str]:
    """The manifests of a study's trainings, in the order of `runs`."""
    return [paths.manifest(paths.training(config, run.trained, run.model, run.seed)) for run in runs(config, study)]


def metrics(config: Config, study: str) -> list[str]:
    """The scores of a study's trainings, in the order of `runs`."""
    return [paths.metrics(config, run.trained, run.model, run.seed) for run in runs(config, study)]


def recovery(config: Config, study: str, model: str) -> str | None:
    """The record of the recovery that followed a study's pruning step; None where there was none."""
    if model == config.pruning.by_name()[study].model:
        return None
    section = config.models[model]
    if isinstance(section, DistilledModel):
        return f"{paths.model(config, model)}/distillation.json"
    if isinstance(section, PretrainedModel):
        return f"{pretraining.model_checkpoint(config, section)}/metrics.json"
    return None


def scored_models(config: Config, study: str) -> list[str]:
    """The manifests of the models that a study scores, and of the unpruned one; each once."""
    names = [config.pruning.by_name()[study].model, *(run.model for run in runs(config, study))]
    return [paths.manifest(paths.model(config, name)) for name in dict.fromkeys(names)]
