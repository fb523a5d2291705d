"""What a configuration implies for the workflow: shards, sources and settings, as plain values for rules."""

from pathlib import Path
from typing import Any

from property_neurons.config.analysis import F0Property
from property_neurons.config.corpora import (
    Alignments,
    DemoCorpus,
    LibriSpeechCorpus,
    PocketSphinxAlignments,
    Subset,
    under,
)
from property_neurons.config.models import FolderModel, HubModel, RandomTwinModel
from property_neurons.config.root import Config

DEMO_SUBSET = "demo"


def subsets(config: Config, corpus: str) -> dict[str, Subset]:
    """The subsets of a corpus by name; a demo corpus has one."""
    section = config.corpora[corpus]
    return {DEMO_SUBSET: Subset(shards=section.shards)} if isinstance(section, DemoCorpus) else section.subsets


def subset_shards(subset: str, n_shards: int) -> list[str]:
    """The names of a subset's shards."""
    return [f"{subset}-{k:03d}" for k in range(n_shards)]


def shards(config: Config, corpus: str) -> list[str]:
    """The names of a corpus's shards, subset by subset."""
    return [shard for name, subset in subsets(config, corpus).items() for shard in subset_shards(name, subset.shards)]


def alignments(config: Config, corpus: str, subset: str) -> Alignments:
    """Where the alignments of one subset of a LibriSpeech corpus come from."""
    section = config.corpora[corpus]
    return section.subsets[subset].alignments or section.alignments


def aligned_here(config: Config, corpus: str, subset: str) -> bool:
    """Whether the workflow makes this subset's alignments with PocketSphinx."""
    if isinstance(config.corpora[corpus], DemoCorpus):
        return False
    return isinstance(alignments(config, corpus, subset), PocketSphinxAlignments)


def corpus_root(config: Config, corpus: str) -> str:
    """The folder that holds SPEAKERS.TXT and the subsets of a corpus."""
    section = config.corpora[corpus]
    if isinstance(section, DemoCorpus):
        return f"{config.results}/corpora/{corpus}/source/LibriSpeech"
    return under(config.data_root, section.root)


def alignment_source(config: Config, corpus: str, subset: str) -> dict[str, str]:
    """The alignments of one subset as a kind and paths: {kind, path[, labels]}."""
    folder = f"{config.results}/corpora/{corpus}"
    if isinstance(config.corpora[corpus], DemoCorpus):
        return {"kind": "textgrid", "path": f"{folder}/source/alignments/{subset}"}
    section = alignments(config, corpus, subset)
    if isinstance(section, PocketSphinxAlignments):
        return {"kind": "textgrid", "path": f"{folder}/alignments/{subset}"}
    paths = section.model_dump()
    return {key: value if key == "kind" else under(config.data_root, value, subset) for key, value in paths.items()}


def genders(config: Config, corpus: str) -> str:
    """The file that gives each speaker's gender: the corpus's JSON, or SPEAKERS.TXT."""
    given = getattr(config.corpora[corpus], "genders", None)
    return under(config.data_root, given) if given else f"{corpus_root(config, corpus)}/SPEAKERS.TXT"


def pitch_settings(config: Config, corpus: str, subset: str) -> dict[str, Any]:
    """How F0 is found: {method, floor_hz, ceiling_hz, path}."""
    pitch = config.corpora[corpus].pitch
    path = under(config.data_root, pitch.path, subset) if pitch.path else None
    return pitch.model_dump() | {"path": path}


def model_source(config: Config, model: str) -> dict[str, Any]:
    """Where a model comes from, as a kind and its own fields."""
    section = config.models[model]
    if isinstance(section, RandomTwinModel):
        return {"kind": section.kind, "of": f"{config.results}/models/{section.of}", "seed": section.seed}
    if isinstance(section, HubModel | FolderModel):
        return section.model_dump(exclude={"normalise", "published_as"})
    return {"kind": section.kind}


def property_settings(config: Config, name: str) -> dict[str, Any]:
    """A property's definition with the options of the method that bear on it, and no others.

    What a rule's params hold decides what runs again: a pitch cut belongs to pitch alone.
    """
    section = config.properties[name]
    options = config.analysis.resolved()
    settings = section.model_dump()
    if isinstance(section, F0Property):
        keys = ("pitch_cuts", "at_lower_cut", "f0_padding", "pitch_phones")
        settings |= {key: getattr(options, key) for key in keys}
    return settings


def counting_settings(config: Config) -> dict[str, Any]:
    """Lambda and the choice of frames, which every property's counts depend on."""
    return config.analysis.resolved().model_dump(include={"lambda_", "frames", "last_run", "equal_neighbours"})


def pattern_settings(config: Config) -> dict[str, Any]:
    """What turns counts into activation patterns."""
    return config.analysis.resolved().model_dump(include={"threshold", "min_count"})


def missing_sources(config: Config) -> list[str]:
    """What the configuration names on disk and is not there, each with its key and what to do."""
    lines = []
    for name, section in config.corpora.items():
        root = Path(corpus_root(config, name))
        if isinstance(section, LibriSpeechCorpus) and not root.is_dir():
            lines.append(
                f"corpora.{name}.root: expected a folder at {root}, found none; correct it, or data_root "
                f"({config.data_root!r})"
            )
    for name, section in config.models.items():
        if isinstance(section, FolderModel) and not (Path(section.path) / "config.json").is_file():
            lines.append(
                f"models.{name}.path: expected a from_pretrained folder at {section.path}, found no config.json"
            )
    return lines
