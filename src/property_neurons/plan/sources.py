"""All files and folders that a configuration names: planning warns of missing ones, the doctor checks them.

The list leaves out what lies below a missing folder, because that would only repeat the message.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from property_neurons.config.corpora import FolderCorpus, LibriSpeechCorpus, TableCorpus, VoxCelebCorpus
from property_neurons.config.models import FolderModel, MelHubertReleaseModel, ShippedModel
from property_neurons.config.root import Config
from property_neurons.config.tasks import PhoneRecognition
from property_neurons.plan import corpora, models

_LISTS = {
    "split": "the parts of its utterances",
    "meta": "the speakers' genders",
    "table": "the table of utterances",
    "manifest": "lhotse's recordings",
    "speakers": "the table of speakers",
}


@dataclass(frozen=True)
class Source:
    """A file or folder that the workflow reads and does not make.

    key: where the configuration names it.
    what: what is expected there, as in "the speakers' genders".
    holds: what some file below the folder must be; None for a file, or for any folder.
    """

    key: str
    path: str
    what: str
    remedy: str
    holds: Literal["audio", "transcripts", "TextGrids"] | None = None

    def trouble(self) -> str | None:
        """What is found where a readable path was expected; None where all is well. Looks at no content."""
        # Of a folder both are needed: to list it, and to open what is in it.
        mode = os.R_OK | os.X_OK if os.path.isdir(self.path) else os.R_OK  # noqa: PTH112, which raises where it may not look
        if not os.access(self.path, os.F_OK):
            return "nothing"
        return None if os.access(self.path, mode) else "no permission to read it"


def missing(config: Config) -> list[str]:
    """A line for each named path that cannot be read: its key, what was expected, what was found, what to do."""
    sources = [source for name in config.corpora for source in of_corpus(config, name)]
    sources += [source for name in config.models for source in of_model(config, name)]
    sources += [source for name in config.tasks for source in of_task(config, name)]
    return [
        f"{source.key}: expected {source.what} at {source.path}, found {trouble}; {source.remedy}"
        for source in dict.fromkeys(sources)
        if (trouble := source.trouble())
    ]


def of_corpus(config: Config, corpus: str) -> Iterator[Source]:
    """Speech, speakers, alignments and pitch of one corpus."""
    absent: list[Path] = []
    sources = dict.fromkeys(_all_of_corpus(config, corpus))
    if any(Path(config.data_root) in Path(source.path).parents for source in sources):
        what, remedy = "the folder that the corpora's paths start from", "correct it (--config data_root=FOLDER)"
        sources = [Source("data_root", str(config.data_root), what, remedy), *sources]
    for source in sources:
        path = Path(source.path)
        if not any(folder in (path, *path.parents) for folder in absent):
            yield source
        if source.trouble():
            absent.append(path)


def _all_of_corpus(config: Config, corpus: str) -> Iterator[Source]:
    section, key = config.corpora[corpus], f"corpora.{corpus}"
    root = corpora.source_root(config, corpus)
    remedy = f"correct it, or data_root ({config.data_root!r}), or put it there"
    if isinstance(section, VoxCelebCorpus):
        yield Source(f"{key}.root", root, "the audio", remedy)
    if isinstance(section, TableCorpus) and section.folder:
        yield Source(f"{key}.folder", root, "the folder of the recordings", remedy)
    for field, path in corpora.listed_in(config, corpus).items():
        yield Source(f"{key}.{field}", path, _LISTS[field], remedy)
    if isinstance(section, FolderCorpus):
        yield Source(f"{key}.root", root, "a folder of recordings", remedy, holds="audio")
    if isinstance(section, TableCorpus | FolderCorpus):
        yield from _alignment_sources(config, corpus, section.kind, remedy)
    if (phones := getattr(section, "phones", None)) and phones.path:
        yield Source(f"{key}.phones.path", corpora.phones(config, corpus)["path"], "the table of phones", remedy)
    if not isinstance(section, LibriSpeechCorpus):
        return
    yield Source(f"{key}.root", root, "a folder with SPEAKERS.TXT and the subsets", remedy)
    field = "genders" if section.genders else "root"
    if genders := corpora.genders(config, corpus):
        yield Source(f"{key}.{field}", genders, "the speakers' genders", remedy)
    for subset in section.subsets:
        folder = f"{root}/{subset}"
        yield Source(f"{key}.subsets.{subset}", folder, "a folder of audio", remedy, holds="audio")
        if corpora.aligned_here(config, corpus, subset):
            what = "a folder of transcripts, to be aligned"
            yield Source(f"{key}.alignments", folder, what, remedy, holds="transcripts")
        else:
            yield from _alignment_sources(config, corpus, subset, remedy)
        if path := corpora.pitch_settings(config, corpus, subset)["path"]:
            yield Source(f"{key}.pitch.path", path, "the authors' pitch bins", remedy)


def _alignment_sources(config: Config, corpus: str, subset: str, remedy: str) -> Iterator[Source]:
    source, key = corpora.alignment_source(config, corpus, subset), f"corpora.{corpus}.alignments"
    if source is None:
        return
    if source["kind"] == "textgrid":
        yield Source(f"{key}.path", source["path"], "a folder of TextGrids", remedy, holds="TextGrids")
    else:
        yield Source(f"{key}.path", source["path"], "the authors' frame labels", remedy)
        yield Source(f"{key}.labels", source["labels"], "the phones of the labels", remedy)


def of_model(config: Config, model: str) -> list[Source]:
    """The folder or files that a model is made from, where the workflow does not make them."""
    section, key = config.models[model], f"models.{model}"
    remedy = "correct it or fetch it"
    match section:
        case FolderModel() | ShippedModel():
            field = "path" if isinstance(section, FolderModel) else "name"
            folder = models.source(config, model)["path"]
            return [Source(f"{key}.{field}", folder, "a from_pretrained folder", remedy)]
        case MelHubertReleaseModel():
            named = {"checkpoint": "a released checkpoint", "statistics": "the statistics of its log-Mel bins"}
            return [Source(f"{key}.{field}", getattr(section, field), what, remedy) for field, what in named.items()]
    return []


def of_task(config: Config, task: str) -> list[Source]:
    """The files that a task names."""
    section = config.tasks[task]
    if not isinstance(section, PhoneRecognition) or section.lexicon is None:
        return []
    return [Source(f"tasks.{task}.lexicon", section.lexicon, "pronunciations", "correct it or fetch it")]
