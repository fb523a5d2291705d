"""What rules ask about corpora: subsets, shards, and where audio, alignments, genders and pitch come from."""

from pathlib import Path
from typing import Any

from property_neurons.config.corpora import (
    Alignments,
    DemoCorpus,
    PocketSphinxAlignments,
    Subset,
    VoxCelebCorpus,
)
from property_neurons.config.root import Config
from property_neurons.corpus.shard_names import shard_names
from property_neurons.plan import paths

DEMO_SUBSET = "demo"


def of_kind(config: Config, kind: str) -> list[str]:
    """The names of the corpora of a kind."""
    return [name for name, section in config.corpora.items() if section.kind == kind]


def subsets(config: Config, corpus: str) -> dict[str, Subset]:
    """The subsets of a corpus by name; a demo corpus has one, VoxCeleb1 none."""
    section = config.corpora[corpus]
    if isinstance(section, VoxCelebCorpus):
        return {}
    return {DEMO_SUBSET: Subset(shards=section.shards)} if isinstance(section, DemoCorpus) else section.subsets


def shards(config: Config, corpus: str) -> list[str]:
    """The names of a corpus's shards, subset by subset."""
    return [shard for name, subset in subsets(config, corpus).items() for shard in shard_names(name, subset.shards)]


def shard_manifests(config: Config, corpus: str, folder: str) -> list[str]:
    """The manifests of what `folder` holds of each shard of a corpus."""
    return [paths.manifest(f"{folder}/{shard}") for shard in shards(config, corpus)]


def frames(config: Config, corpus: str) -> list[str]:
    """The manifests of a corpus's frame stores."""
    return shard_manifests(config, corpus, paths.frames(config, corpus))


def alignments(config: Config, corpus: str, subset: str) -> Alignments:
    """Where the alignments of one subset of a LibriSpeech corpus come from."""
    section = config.corpora[corpus]
    return section.subsets[subset].alignments or section.alignments


def aligned_here(config: Config, corpus: str, subset: str) -> bool:
    """Whether the workflow makes this subset's alignments with PocketSphinx."""
    if isinstance(config.corpora[corpus], DemoCorpus):
        return False
    return isinstance(alignments(config, corpus, subset), PocketSphinxAlignments)


def root(config: Config, corpus: str) -> str:
    """The folder that a corpus's audio lies below: with SPEAKERS.TXT and the subsets, where it has these."""
    section = config.corpora[corpus]
    if isinstance(section, DemoCorpus):
        return f"{paths.corpus(config, corpus)}/source/LibriSpeech"
    return _under(config, section.root)


def voxceleb_files(config: Config, corpus: str) -> dict[str, str]:
    """Where VoxCeleb1 lies: {root, split, meta}."""
    section = config.corpora[corpus]
    return {key: _under(config, getattr(section, key)) for key in ("root", "split", "meta")}


def alignment_source(config: Config, corpus: str, subset: str) -> dict[str, str]:
    """The alignments of one subset as a kind and paths: {kind, path[, labels]}."""
    folder = paths.corpus(config, corpus)
    if isinstance(config.corpora[corpus], DemoCorpus):
        return {"kind": "textgrid", "path": f"{folder}/source/alignments/{subset}"}
    section = alignments(config, corpus, subset)
    if isinstance(section, PocketSphinxAlignments):
        return {"kind": "textgrid", "path": f"{folder}/alignments/{subset}"}
    named = section.model_dump()
    return {key: value if key == "kind" else _under(config, value, subset) for key, value in named.items()}


def genders(config: Config, corpus: str) -> str:
    """The file that gives each speaker's gender: the corpus's JSON, or SPEAKERS.TXT."""
    given = getattr(config.corpora[corpus], "genders", None)
    return _under(config, given) if given else f"{root(config, corpus)}/SPEAKERS.TXT"


def pitch_settings(config: Config, corpus: str, subset: str) -> dict[str, Any]:
    """How F0 is found: {method, floor_hz, ceiling_hz, path}."""
    pitch = config.corpora[corpus].pitch
    path = _under(config, pitch.path, subset) if pitch.path else None
    return pitch.model_dump() | {"path": path}


def scan_source(config: Config, corpus: str, subset: str) -> dict[str, Any]:
    """What a subset is read from: {root, alignments, genders}."""
    return {
        "root": root(config, corpus),
        "alignments": alignment_source(config, corpus, subset),
        "genders": genders(config, corpus),
    }


def scan_inputs(config: Config, corpus: str, subset: str) -> list[str]:
    """The small files that the scan of a subset depends on; audio and TextGrids are read, not tracked."""
    folder = paths.corpus(config, corpus)
    if isinstance(config.corpora[corpus], DemoCorpus):
        return [paths.manifest(f"{folder}/source")]
    source = alignment_source(config, corpus, subset)
    files = [genders(config, corpus)]
    if source["kind"] == "framewise":
        files += [source["path"], source["labels"]]
    if aligned_here(config, corpus, subset):
        files.append(paths.manifest(f"{folder}/alignments/{subset}"))
    return files


def _under(config: Config, path: str, subset: str = "") -> str:
    """`path` with `{subset}` filled in, taken from `data_root` unless it is absolute."""
    return str(Path(config.data_root) / path.replace("{subset}", subset))
