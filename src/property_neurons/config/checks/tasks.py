"""Contradictions about tasks, and about the studies that prune and erase for them."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from property_neurons.config.checks.models import circle_problems, frequency_problems, not_defined
from property_neurons.config.corpora import VoxCelebCorpus
from property_neurons.config.models import EditedModel, TunedModel
from property_neurons.config.pruning import FineTuning
from property_neurons.config.tasks import (
    CorpusSplit,
    F0Reconstruction,
    OfficialSplit,
    PhoneRecognition,
    SpeakerIdentification,
    SpeakerSplit,
    Split,
    Task,
    UtteranceSplit,
    split_corpora,
)
from property_neurons.corpus.phones import PHONES

if TYPE_CHECKING:
    from property_neurons.config.root import Config

# What divides the errors of a task; see `editing.parts`.
_DIVIDES = {
    "phone_recognition": ("label", "gender", "speaker"),
    "speaker_identification": ("gender", "speaker"),
    "f0_reconstruction": ("f0", "gender", "speaker"),
}
# Names of other figures and tables.
_TAKEN = re.compile(r"fig\d+|pruning|probes|.*_dose|pretraining_.*")


def task_problems(config: "Config") -> list[str]:
    """What is wrong with tasks, their splits, and the models fine-tuned on them."""
    wanted = [(f"tasks.{name}.split", task.split, config.splits) for name, task in config.tasks.items()]
    for name, split in config.splits.items():
        wanted += [(f"splits.{name}", corpus, config.corpora) for corpus in split_corpora(split)]
    tuned = {name: model for name, model in config.models.items() if isinstance(model, TunedModel)}
    for name, model in tuned.items():
        wanted += [(f"models.{name}.of", model.of, config.models), (f"models.{name}.task", model.task, config.tasks)]
    problems = not_defined(wanted)
    for name, model in tuned.items():
        task = config.tasks.get(model.task)
        if task is not None and task.mode != "fine_tuned":
            problems.append(f"models.{name}.task: {model.task!r} leaves the model as it is; set mode: fine_tuned")
        problems += circle_problems(config, name)
    for name, task in config.tasks.items():
        problems += _split_problems(config, name, task, config.splits.get(task.split))
    return problems


def _split_problems(config: "Config", name: str, task: Task, split: Split | None) -> list[str]:
    if split is None:
        return []
    key = f"tasks.{name}.split: {task.split!r}"
    corpora = [config.corpora[corpus] for corpus in split_corpora(split) if corpus in config.corpora]
    problems = []
    if isinstance(task, PhoneRecognition | F0Reconstruction) and isinstance(split, UtteranceSplit | OfficialSplit):
        problems.append(f"{key} tests on speakers that were trained on; divide by speaker or by corpus")
    if isinstance(task, SpeakerIdentification) and isinstance(split, SpeakerSplit | CorpusSplit):
        problems.append(f"{key} tests on speakers that were not trained on; divide by utterance")
    official = [isinstance(corpus, VoxCelebCorpus) for corpus in corpora]
    if isinstance(split, OfficialSplit) != any(official) and corpora:
        problems.append(f"{key}: `by: official` goes with a corpus of kind voxceleb1, and only with it")
    if isinstance(task, F0Reconstruction):
        unusable = [corpus.pitch.method for corpus in corpora if not isinstance(corpus, VoxCelebCorpus)]
        if {"none", "bins"} & set(unusable):
            problems.append(f"{key}: pitch.method none or bins gives no F0; choose yaapt, praat or pyin")
    return problems


def study_problems(config: "Config") -> list[str]:
    """What is wrong with the pruning studies."""
    wanted, problems = [], []
    studies = {"general": config.pruning.general, "task_specific": config.pruning.task_specific}
    for name, study in studies.items():
        if study is None:
            continue
        key = f"pruning.{name}"
        wanted += [(f"{key}.model", study.model, config.models), (f"{key}.corpus", study.corpus, config.corpora)]
        wanted += [(f"{key}.tasks", task, config.tasks) for task in study.tasks]
        cuts = {key: study} if name == "general" else {f"{key}.tasks.{task}": cut for task, cut in study.tasks.items()}
        for place, cut in cuts.items():
            wanted += [(f"{place}.properties", one, config.properties) for one in cut.properties]
            if "frequency" in study.arms:
                problems += frequency_problems(config, f"{place}.properties", cut.properties)
        if name == "general":
            wanted.append((f"{key}.fine_tuning.corpus", study.fine_tuning.corpus, config.corpora))
            problems += _batch_problems(f"{key}.fine_tuning", study.fine_tuning)
        for task in study.tasks:
            if name == "task_specific" and task in config.tasks and config.tasks[task].mode != "fine_tuned":
                problems.append(f"{key}.tasks.{task}: cuts go with fine-tuning; set mode: fine_tuned in the task")
    return not_defined(wanted) + problems


def editing_problems(config: "Config") -> list[str]:
    """What is wrong with edited models and erasure studies."""
    wanted, problems = [], []
    for name, model in config.models.items():
        if isinstance(model, EditedModel):
            wanted += [
                (f"models.{name}.of", model.of, config.models),
                (f"models.{name}.property", model.property, config.properties),
            ]
            if model.corpus is not None:
                wanted.append((f"models.{name}.corpus", model.corpus, config.corpora))
            problems += circle_problems(config, name)
            problems += _unknown_groups(config, f"models.{name}.groups", model.property, model.groups)
    for name, study in config.erasure.items():
        key = f"erasure.{name}"
        sections = {"model": config.models, "task": config.tasks, "corpus": config.corpora}
        wanted += [(f"{key}.{field}", getattr(study, field), known) for field, known in sections.items()]
        wanted.append((f"{key}.property", study.property, config.properties))
        if _TAKEN.fullmatch(name):
            problems.append(f"{key}: another figure or table has this name; choose another")
        task = config.tasks.get(study.task)
        if task is not None and task.mode != "fine_tuned":
            problems.append(f"{key}.task: {study.task!r} leaves the model as it is; set mode: fine_tuned")
        section = config.properties.get(study.property)
        if task is not None and section is not None and section.column not in _DIVIDES[task.kind]:
            problems.append(
                f"{key}.property: a property of {section.column} does not divide the errors of {task.kind}; expected "
                f"one of {', '.join(_DIVIDES[task.kind])}"
            )
        problems += _unknown_groups(config, f"{key}.groups", study.property, study.groups or [])
    return not_defined(wanted) + problems


def _unknown_groups(config: "Config", key: str, name: str, groups: Iterable[str]) -> list[str]:
    """Groups that a property does not have, where the config says which it has."""
    section = config.properties.get(name)
    named = getattr(section, "groups", None) or getattr(section, "order", None) or getattr(section, "names", None)
    known = PHONES if named == "single" else named
    unknown = [group for group in groups if known is not None and group not in known]
    return [f"{key}: {', '.join(unknown)} unknown; {name!r} has {', '.join(known)}"] if unknown else []


def _batch_problems(key: str, tuning: FineTuning) -> list[str]:
    stage = tuning.stage
    if stage.batch_size % (stage.accumulation * tuning.gpus) == 0:
        return []
    return [
        f"{key}.gpus: batch_size {stage.batch_size} of the stage does not divide by accumulation "
        f"{stage.accumulation} x {tuning.gpus} GPUs; change one of them"
    ]
