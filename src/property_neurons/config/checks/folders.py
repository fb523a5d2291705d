"""Check that names stand for different folders on every file system."""

from collections import defaultdict
from collections.abc import Iterable

from property_neurons.config.corpora import LibriSpeechCorpus
from property_neurons.config.root import Config

_SECTIONS = ("corpora", "models", "properties", "pretraining", "splits", "tasks", "erasure")


def problems(config: Config) -> list[str]:
    """Names that differ by case alone, which file systems of macOS and Windows do not tell apart."""
    named = {key: list(getattr(config, key)) for key in _SECTIONS}
    for name, corpus in config.corpora.items():
        if isinstance(corpus, LibriSpeechCorpus):
            named[f"corpora.{name}.subsets"] = list(corpus.subsets)
    return [
        f"{key}: {' and '.join(names)} differ by case alone, and some file systems take them for one folder; rename one"
        for key, given in named.items()
        for names in _alike(given)
    ]


def _alike(names: Iterable[str]) -> list[list[str]]:
    by_folder = defaultdict(list)
    for name in names:
        by_folder[name.casefold()].append(name)
    return [alike for alike in by_folder.values() if len(alike) > 1]
