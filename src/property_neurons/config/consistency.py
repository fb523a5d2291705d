"""The contradictions of a configuration that only show across its sections."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from property_neurons.config.corpora import VoxCelebCorpus
from property_neurons.config.downstream import (
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
from property_neurons.config.models import (
    EditedModel,
    PretrainedModel,
    PrunedModel,
    RandomTwinModel,
    TunedModel,
    frequency_property,
)
from property_neurons.config.pretraining import InitialModel, Pretraining
from property_neurons.config.pruning import FineTuning
from property_neurons.phones import PHONES

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


def contradictions(config: "Config") -> list[str]:
    """Every contradiction between sections, each with its key, what was found and what to do."""
    return [
        *_unknown_names(config),
        *_twin_problems(config),
        *_pruning_problems(config),
        *_pretraining_problems(config),
        *_task_problems(config),
        *_study_problems(config),
        *_editing_problems(config),
        *_plain_corpus_problems(config),
        *_analysis_problems(config),
    ]


def _unknown_names(config: "Config") -> list[str]:
    wanted = [
        ("figures.corpus", config.figures.corpus, config.corpora),
        ("figures.model", config.figures.model, config.models),
        *(("figures.compare", name, config.models) for name in config.figures.compare or []),
        *((f"pretraining.{name}.corpus", run.corpus, config.corpora) for name, run in config.pretraining.items()),
    ]
    if config.figures.control is not None:
        wanted.append(("figures.control", config.figures.control, config.models))
    return _not_defined(wanted)


def _twin_problems(config: "Config") -> list[str]:
    problems = []
    for name, model in config.models.items():
        if not isinstance(model, RandomTwinModel):
            continue
        original = config.models.get(model.of)
        if original is None:
            problems.append(f"models.{name}.of: {model.of!r} is not defined; defined are {', '.join(config.models)}")
        elif isinstance(original, RandomTwinModel):
            problems.append(f"models.{name}.of: {model.of!r} is a random twin itself; name the original")
        else:
            problems += _circle_problems(config, name)
    return problems


def _pruning_problems(config: "Config") -> list[str]:
    problems = []
    for name, model in config.models.items():
        if not isinstance(model, PrunedModel):
            continue
        wanted = [
            ("of", model.of, config.models),
            *(("properties", one, config.properties) for one in model.properties),
        ]
        if model.corpus is not None:
            wanted.append(("corpus", model.corpus, config.corpora))
        problems += _not_defined([(f"models.{name}.{key}", value, known) for key, value, known in wanted])
        problems += _circle_problems(config, name)
        if model.criterion == "frequency":
            problems += _frequency_problems(config, f"models.{name}.properties", model.properties)
    return problems


def _circle_problems(config: "Config", name: str) -> list[str]:
    """Where a model with `of` is, in the end, made of itself."""
    circle = name in _ancestors(config, name)
    return [f"models.{name}.of: leads back to {name!r} itself; name another model"] if circle else []


def _frequency_problems(config: "Config", key: str, properties: list[str]) -> list[str]:
    if frequency_property(properties, config.properties) is not None:
        return []
    found = ", ".join(properties)
    return [f"{key}: `frequency` needs one that counts every frame, found {found}; add gender or phone"]


def _ancestors(config: "Config", name: str) -> set[str]:
    """The models that a model is made of, at once or by way of others."""
    found: set[str] = set()
    waiting = _parents(config, name)
    while waiting:
        parent = waiting.pop()
        if parent not in found:
            found.add(parent)
            waiting |= _parents(config, parent)
    return found


def _parents(config: "Config", name: str) -> set[str]:
    model = config.models.get(name)
    if not isinstance(model, PretrainedModel):
        of = getattr(model, "of", None)
        return set() if of is None else {of}
    run = config.pretraining.get(model.run)
    return set() if run is None else _parents_of_stage(config, run, model.stage or len(run.stages))


def _parents_of_stage(config: "Config", run: Pretraining, number: int) -> set[str]:
    """The models of the config that one stage of a run starts from or takes its targets from."""
    if not 1 <= number <= len(run.stages):
        return set()
    stage, parents = run.stages[number - 1], set()
    if isinstance(stage.initial, InitialModel):
        parents.add(stage.initial.model)
    elif stage.initial == "previous":
        parents |= _parents_of_stage(config, run, number - 1)
    owner = run if stage.targets_of is None else config.pretraining.get(stage.targets_of)
    if owner is None or number > len(owner.stages):
        return parents
    targets = owner.stages[number - 1].targets
    if targets.model is not None:
        return parents | {targets.model}
    return parents if targets.layer is None else parents | _parents_of_stage(config, owner, number - 1)


def _pretraining_problems(config: "Config") -> list[str]:
    problems = _run_problems(config)
    for name, model in config.models.items():
        if not isinstance(model, PretrainedModel):
            continue
        run = config.pretraining.get(model.run)
        if run is None:
            defined = ", ".join(config.pretraining) or "none"
            problems.append(f"models.{name}.run: {model.run!r} is not defined; under pretraining there is {defined}")
        elif model.stage is not None and model.stage > len(run.stages):
            problems.append(f"models.{name}.stage: {model.run!r} has {len(run.stages)} stages, found {model.stage}")
        elif name in _ancestors(config, name):
            problems.append(
                f"models.{name}.run: pretraining.{model.run} leads back to {name!r} itself; start that run from, or "
                "take its targets from, another model"
            )
    return problems


def _run_problems(config: "Config") -> list[str]:
    wanted = []
    for name, run in config.pretraining.items():
        key = f"pretraining.{name}.stages"
        if run.starts_from is not None:
            wanted.append((f"{key}.initial.model", run.starts_from, config.models))
        for stage in run.stages:
            if stage.targets.model is not None:
                wanted.append((f"{key}.targets.model", stage.targets.model, config.models))
            if stage.targets_of is not None:
                wanted.append((f"{key}.targets_of", stage.targets_of, config.pretraining))
    problems = _not_defined(wanted)
    for name, run in config.pretraining.items():
        for number, stage in enumerate(run.stages, start=1):
            if stage.targets_of in config.pretraining:
                problems += _targets_problems(config, name, number, stage.targets_of)
    return problems


def _targets_problems(config: "Config", name: str, number: int, other: str) -> list[str]:
    """Why stage `number` of the run `name` cannot take over the targets of the run `other`, if so."""
    key, run, owner = f"pretraining.{name}.stages.targets_of", config.pretraining[name], config.pretraining[other]
    if other == name:
        return [f"{key}: {other!r} is this run itself; name another, or leave it out"]
    if number > len(owner.stages):
        return [
            f"{key}: expected a stage {number} of {other!r}, found {len(owner.stages)} stages; name a run with as many"
        ]
    if (third := owner.stages[number - 1].targets_of) is not None:
        return [f"{key}: stage {number} of {other!r} takes over the targets of {third!r}; name the run that makes them"]
    if owner.corpus != run.corpus:
        return [f"{key}: expected a run on {run.corpus!r}, found {other!r} on {owner.corpus!r}; name one on it"]
    return []


def _task_problems(config: "Config") -> list[str]:
    wanted = [(f"tasks.{name}.split", task.split, config.splits) for name, task in config.tasks.items()]
    for name, split in config.splits.items():
        wanted += [(f"splits.{name}", corpus, config.corpora) for corpus in split_corpora(split)]
    tuned = {name: model for name, model in config.models.items() if isinstance(model, TunedModel)}
    for name, model in tuned.items():
        wanted += [(f"models.{name}.of", model.of, config.models), (f"models.{name}.task", model.task, config.tasks)]
    problems = _not_defined(wanted)
    for name, model in tuned.items():
        task = config.tasks.get(model.task)
        if task is not None and task.mode != "fine_tuned":
            problems.append(f"models.{name}.task: {model.task!r} leaves the model as it is; set mode: fine_tuned")
        problems += _circle_problems(config, name)
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


def _study_problems(config: "Config") -> list[str]:
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
                problems += _frequency_problems(config, f"{place}.properties", cut.properties)
        if name == "general":
            wanted.append((f"{key}.fine_tuning.corpus", study.fine_tuning.corpus, config.corpora))
            problems += _batch_problems(f"{key}.fine_tuning", study.fine_tuning)
        for task in study.tasks:
            if name == "task_specific" and task in config.tasks and config.tasks[task].mode != "fine_tuned":
                problems.append(f"{key}.tasks.{task}: cuts go with fine-tuning; set mode: fine_tuned in the task")
    return _not_defined(wanted) + problems


def _editing_problems(config: "Config") -> list[str]:
    wanted, problems = [], []
    for name, model in config.models.items():
        if isinstance(model, EditedModel):
            wanted += [
                (f"models.{name}.of", model.of, config.models),
                (f"models.{name}.property", model.property, config.properties),
            ]
            if model.corpus is not None:
                wanted.append((f"models.{name}.corpus", model.corpus, config.corpora))
            problems += _circle_problems(config, name)
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
    return _not_defined(wanted) + problems


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


def _plain_corpus_problems(config: "Config") -> list[str]:
    """Where a corpus without alignments is asked for more than speakers."""
    uses = [("figures.corpus", config.figures.corpus)]
    uses += [(f"pretraining.{name}.corpus", run.corpus) for name, run in config.pretraining.items()]
    for name, model in config.models.items():
        if isinstance(model, PrunedModel) and model.corpus is not None:
            uses.append((f"models.{name}.corpus", model.corpus))
    general, specific = config.pruning.general, config.pruning.task_specific
    if general is not None:
        uses.append(("pruning.general.corpus", general.corpus))
        uses.append(("pruning.general.fine_tuning.corpus", general.fine_tuning.corpus))
    if specific is not None:
        uses.append(("pruning.task_specific.corpus", specific.corpus))
    uses += [(f"erasure.{name}.corpus", study.corpus) for name, study in config.erasure.items()]
    return [
        f"{key}: {corpus!r} (voxceleb1) has no phone alignments; it serves speaker identification alone"
        for key, corpus in uses
        if isinstance(config.corpora.get(corpus), VoxCelebCorpus)
    ]


def _analysis_problems(config: "Config") -> list[str]:
    problems = []
    if config.analysis.lambda_ > config.ranks.lambda_max:
        problems.append(
            f"analysis.lambda: {config.analysis.lambda_} is above ranks.lambda_max ({config.ranks.lambda_max}), so the "
            "ranks kept are too few; raise ranks.lambda_max (the models run again) or lower lambda"
        )
    options = config.analysis.resolved()
    if config.ranks.frames == "segment_mid" and options.frames == "every":
        problems.append(
            "analysis.frames: `every` needs ranks of every frame, but ranks.frames is `segment_mid`; "
            "set ranks.frames: all, or analysis.frames: segment_mid"
        )
    corpus = config.corpora.get(config.figures.corpus)
    if corpus is not None and not isinstance(corpus, VoxCelebCorpus) and corpus.pitch.method == "none":
        problems.append(
            f"corpora.{config.figures.corpus}.pitch.method: the figures show pitch, so `none` will not do; "
            "choose yaapt, praat, pyin or bins"
        )
    return problems


def _not_defined(wanted: Iterable[tuple[str, str, Mapping[str, object]]]) -> list[str]:
    return [
        f"{key}: {name!r} is not defined; defined are {', '.join(known) or 'none'}"
        for key, name, known in wanted
        if name not in known
    ]
