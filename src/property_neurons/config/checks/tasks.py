"""Check that tasks and their splits fit each other."""

from property_neurons.config.checks.references import not_defined
from property_neurons.config.corpora import VoxCelebCorpus
from property_neurons.config.root import Config
from property_neurons.config.splits import (
    CorpusSplit,
    OfficialSplit,
    SpeakerSplit,
    Split,
    UtteranceSplit,
    split_corpora,
)
from property_neurons.config.tasks import F0Reconstruction, PhoneRecognition, SpeakerIdentification, Task


def problems(config: Config) -> list[str]:
    """What is wrong with tasks and their splits."""
    references = [(f"tasks.{name}.split", task.split, config.splits) for name, task in config.tasks.items()]
    for name, split in config.splits.items():
        references += [(f"splits.{name}", corpus, config.corpora) for corpus in split_corpora(split)]
    found = not_defined(references)
    for name, task in config.tasks.items():
        if task.split in config.splits:
            found += _split_problems(config, f"tasks.{name}.split: {task.split!r}", task, config.splits[task.split])
    return found


def _split_problems(config: Config, key: str, task: Task, split: Split) -> list[str]:
    found = []
    if isinstance(task, PhoneRecognition | F0Reconstruction) and isinstance(split, UtteranceSplit | OfficialSplit):
        found.append(f"{key} tests on speakers that were trained on; divide by speaker or by corpus")
    if isinstance(task, SpeakerIdentification) and isinstance(split, SpeakerSplit | CorpusSplit):
        found.append(f"{key} tests on speakers that were not trained on; divide by utterance")
    corpora = [config.corpora[corpus] for corpus in split_corpora(split) if corpus in config.corpora]
    official = [isinstance(corpus, VoxCelebCorpus) for corpus in corpora]
    if isinstance(split, OfficialSplit) != any(official) and corpora:
        found.append(f"{key}: `by: official` goes with a corpus of kind voxceleb1, and only with it")
    if isinstance(task, F0Reconstruction):
        methods = {corpus.pitch.method for corpus in corpora if not isinstance(corpus, VoxCelebCorpus)}
        if {"none", "bins"} & methods:
            found.append(f"{key}: pitch.method none or bins gives no F0; choose yaapt, praat or pyin")
    return found
