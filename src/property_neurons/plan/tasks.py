"""What rules ask about tasks: their splits, references and trainings."""

from typing import Any
from zlib import crc32

from property_neurons.config.models import PrunedModel, TunedModel
from property_neurons.config.root import Config
from property_neurons.config.splits import split_corpora
from property_neurons.config.tasks import PhoneRecognition, Task
from property_neurons.plan import corpora, paths


def data(config: Config, task: str) -> str:
    """Stem of a task's utterances and references."""
    return paths.task_data(config, data_name(config, task))


def data_name(config: Config, task: str) -> str:
    """What a task's utterances and references are called; tasks that differ in training alone share them.

    The name is of what they are made of, so that another task in the config leaves it as it is.
    """
    section = config.tasks[task]
    lexicon = _lexicon(section)
    return f"{section.kind}-{section.split}" + (f"-{crc32(lexicon.encode()):08x}" if lexicon else "")


def data_names(config: Config) -> dict[str, str]:
    """The names of all tasks' utterances and references, each with a task that they are of."""
    return {data_name(config, task): task for task in reversed(config.tasks)}


def data_settings(config: Config, task: str) -> dict[str, Any]:
    """What a task's utterances and references depend on beside the corpora."""
    section = config.tasks[task]
    return {"kind": section.kind, "lexicon": _lexicon(section), "split": config.splits[section.split].model_dump()}


def own_files(config: Config, task: str) -> list[str]:
    """The user's own files that the data of a task are made from: a lexicon, or none."""
    return [path for path in [_lexicon(config.tasks[task])] if path]


def _lexicon(section: Task) -> str | None:
    return section.lexicon if isinstance(section, PhoneRecognition) else None


def corpora_of(config: Config, task: str) -> list[str]:
    """The corpora that a task's utterances come from."""
    return split_corpora(config.splits[config.tasks[task].split])


def references(config: Config, task: str) -> list[str]:
    """The manifests of alignments or frames that a task's references come from."""
    section, manifests = config.tasks[task], []
    for corpus in corpora_of(config, task):
        if section.kind == "f0_reconstruction":
            manifests += corpora.frames(config, corpus)
        elif section.kind == "phone_recognition" and section.lexicon is None:
            subsets = corpora.subsets(config, corpus)
            manifests += [paths.manifest(f"{paths.subset(config, corpus, name)}/tables") for name in subsets]
    return manifests


def phones(config: Config, task: str) -> dict[str, dict[str, Any]]:
    """What the labels of the references' alignments stand for, by corpus; {} where references need no alignments."""
    section = config.tasks[task]
    if section.kind != "phone_recognition" or section.lexicon is not None:
        return {}
    return {corpus: corpora.phones(config, corpus) for corpus in corpora_of(config, task)}


def settings(config: Config, task: str) -> dict[str, Any]:
    """What the result of a training depends on, as fields of `tasks.job.TaskTraining`."""
    left_out = {"kind", "split", "mode", "lexicon", "workers", "save_every", "precompute"}
    return config.tasks[task].model_dump(exclude=left_out)


def running_settings(config: Config, task: str) -> dict[str, Any]:
    """The other fields, which change no result."""
    return config.tasks[task].model_dump(include={"workers", "save_every"})


def stored_states(config: Config, task: str, model: str) -> list[str]:
    """The folders of the hidden states that a training reads, corpus by corpus; none where it makes them itself."""
    section = config.tasks[task]
    if section.mode != "frozen" or not section.precompute:
        return []
    return [paths.states(config, model, corpus) for corpus in corpora_of(config, task)]


def initial_head(config: Config, task: str, model: str) -> str | None:
    """The training whose head a further training continues: that of the unpruned model, if it fits."""
    section = config.models.get(model)
    while isinstance(section, PrunedModel):
        section = config.models[section.of]
    if isinstance(section, TunedModel) and _head(config, section.task) == _head(config, task):
        return paths.training(config, section.task, section.of, section.seed)
    return None


def _head(config: Config, task: str) -> tuple:
    """What decides whether a head fits: the data (and so the kind of task) and the mode."""
    return data(config, task), config.tasks[task].mode
