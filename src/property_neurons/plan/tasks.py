"""What a configuration implies for tasks and pruning studies, as plain values for rules."""

from typing import Any

from property_neurons.config.expand_studies import Run, expand
from property_neurons.config.models import PrunedModel, TunedModel
from property_neurons.config.root import Config
from property_neurons.config.tasks import PhoneRecognition, split_corpora
from property_neurons.plan import corpora


def study_runs(config: Config, study: str) -> list[Run]:
    """The trainings of a pruning study."""
    return [run for run in expand(config).runs if run.study == study]


def task_data(config: Config, task: str) -> str:
    """Stem of the files of a task's utterances and references; tasks that differ in training alone share them."""
    split, section = config.tasks[task].split, config.tasks[task]
    for name, other in config.tasks.items():
        if (other.kind, other.split) == (section.kind, split) and _lexicon(other) == _lexicon(section):
            return f"{config.results}/tasks/data/{name}"
    raise AssertionError(task)


def data_settings(config: Config, task: str) -> dict[str, Any]:
    """What a task's utterances and references depend on beside the corpora."""
    section = config.tasks[task]
    return {"kind": section.kind, "lexicon": _lexicon(section), "split": config.splits[section.split].model_dump()}


def _lexicon(section: Any) -> str | None:
    return section.lexicon if isinstance(section, PhoneRecognition) else None


def task_corpora(config: Config, task: str) -> list[str]:
    """The corpora that a task's utterances come from."""
    return split_corpora(config.splits[config.tasks[task].split])


def task_references(config: Config, task: str) -> list[str]:
    """The manifests of alignments or frames that a task's references come from."""
    section, files = config.tasks[task], []
    for corpus in task_corpora(config, task):
        folder = f"{config.results}/corpora/{corpus}"
        if section.kind == "f0_reconstruction":
            files += [f"{folder}/frames/{shard}.manifest.json" for shard in corpora.shards(config, corpus)]
        elif section.kind == "phone_recognition" and section.lexicon is None:
            files += [f"{folder}/subsets/{subset}/tables.manifest.json" for subset in corpora.subsets(config, corpus)]
    return files


def task_settings(config: Config, task: str) -> dict[str, Any]:
    """What the result of a training depends on, as fields of `tasks.training.Settings`."""
    left_out = {"kind", "split", "mode", "lexicon", "workers", "save_every", "precompute"}
    return config.tasks[task].model_dump(exclude=left_out)


def task_running_settings(config: Config, task: str) -> dict[str, Any]:
    """The other fields, which change no result."""
    return config.tasks[task].model_dump(include={"workers", "save_every"})


def stored_states(config: Config, task: str, model: str) -> list[str]:
    """The manifests of the hidden states that a training reads, corpus by corpus; none where it makes them itself."""
    section = config.tasks[task]
    if section.mode != "frozen" or not section.precompute:
        return []
    return [f"{config.results}/states/{model}/{corpus}.manifest.json" for corpus in task_corpora(config, task)]


def initial_head(config: Config, task: str, model: str, seed: int) -> str | None:
    """The training whose head a further one goes on with: that of the model that was cut, if it fits."""
    section = config.models.get(model)
    while isinstance(section, PrunedModel):
        section = config.models[section.of]
    if isinstance(section, TunedModel) and _head(config, section.task) == _head(config, task):
        return task_run(config, section.task, section.of, section.seed)
    return None


def _head(config: Config, task: str) -> tuple:
    """What a head is made for: the same data (and so kind of task), mode and width."""
    section = config.tasks[task]
    return task_data(config, task), section.mode, getattr(section, "projector", None)


def task_run(config: Config, task: str, model: str, seed: int) -> str:
    """The folder of one training."""
    return f"{config.results}/tasks/{task}/{model}/seed{seed}"
