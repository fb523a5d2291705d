"""What rules ask about corpora: subsets, shards, and where audio, alignments, genders and pitch come from."""

from typing import Any

from property_neurons.config.corpora import (
    Alignments,
    DemoCorpus,
    PocketSphinxAlignments,
    Subset,
    VoxCelebCorpus,
    under,
)
from property_neurons.config.root import Config

DEMO_SUBSET = "demo"


def subsets(config: Config, corpus: str) -> dict[str, Subset]:
    """The subsets of a corpus by name; a demo corpus has one, VoxCeleb1 none."""
    section = config.corpora[corpus]
    if isinstance(section, VoxCelebCorpus):
        return {}
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


def voxceleb_corpora(config: Config) -> list[str]:
    """The corpora that are VoxCeleb1."""
    return [name for name, section in config.corpora.items() if isinstance(section, VoxCelebCorpus)]


def voxceleb_files(config: Config, corpus: str) -> dict[str, str]:
    """Where VoxCeleb1 lies: {root, split, meta}."""
    section = config.corpora[corpus]
    return {key: under(config.data_root, getattr(section, key)) for key in ("root", "split", "meta")}


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
