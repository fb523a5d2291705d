"""What rules ask about corpora: subsets, shards, and where audio, alignments, genders and pitch come from."""

import json
from pathlib import Path
from typing import Any

from property_neurons.config.corpora import (
    Alignments,
    DemoCorpus,
    FolderCorpus,
    LibriSpeechCorpus,
    Pitch,
    PocketSphinxAlignments,
    Subset,
    TableCorpus,
    VoxCelebCorpus,
)
from property_neurons.config.root import Config
from property_neurons.corpus import scanned_cells as cells
from property_neurons.corpus.file_patterns import fields_of
from property_neurons.corpus.shard_names import shard_names
from property_neurons.errors import PropertyNeuronsError
from property_neurons.plan import paths

TIER = "phones"
"""The tier of TextGrids that is read where the config names no other (`corpus.textgrid.TIER`)."""


def subsets(config: Config, corpus: str) -> dict[str, Subset]:
    """The subsets of a corpus by name; one of the kind's name where the layout has none."""
    section = config.corpora[corpus]
    if isinstance(section, LibriSpeechCorpus):
        return section.subsets
    return {section.kind: Subset(shards=getattr(section, "shards", 1))}


def shards(config: Config, corpus: str) -> list[str]:
    """The names of a corpus's shards, subset by subset."""
    return [shard for name, subset in subsets(config, corpus).items() for shard in shard_names(name, subset.shards)]


def shard_manifests(config: Config, corpus: str, folder: str) -> list[str]:
    """The manifests of what `folder` holds of each shard of a corpus."""
    return [paths.manifest(f"{folder}/{shard}") for shard in shards(config, corpus)]


def frames(config: Config, corpus: str) -> list[str]:
    """The manifests of a corpus's frame stores."""
    return shard_manifests(config, corpus, paths.frames(config, corpus))


def alignments(config: Config, corpus: str, subset: str) -> Alignments | None:
    """Where the alignments of one subset come from; None where the corpus has none, or its own files name them."""
    section = config.corpora[corpus]
    if isinstance(section, LibriSpeechCorpus):
        return section.subsets[subset].alignments or section.alignments
    return getattr(section, "alignments", None)


def aligned_here(config: Config, corpus: str, subset: str) -> bool:
    """Whether the workflow makes this subset's alignments with PocketSphinx."""
    return isinstance(alignments(config, corpus, subset), PocketSphinxAlignments)


def own_alignments(config: Config, corpus: str, subset: str) -> str | None:
    """The manifest of the alignments that the workflow makes of a subset; None where it makes none."""
    if not aligned_here(config, corpus, subset):
        return None
    return paths.manifest(f"{paths.corpus(config, corpus)}/alignments/{subset}")


def converted(config: Config, corpus: str) -> bool:
    """Whether copies are made of a corpus's recordings."""
    audio = config.corpora[corpus].audio
    return audio.resample or audio.channels is not None


def audio_copies(config: Config, corpus: str, subset: str) -> list[str]:
    """The folder of the copies of one subset's recordings; none where there are no copies."""
    return [f"{root(config, corpus)}/{subset}"] if converted(config, corpus) else []


def root(config: Config, corpus: str) -> str:
    """The folder with the audio that models read: the corpus's own, or the folder of the copies."""
    if converted(config, corpus):
        return f"{paths.corpus(config, corpus)}/audio"
    return source_root(config, corpus)


def source_root(config: Config, corpus: str) -> str:
    """The folder with a corpus's recordings (and with SPEAKERS.TXT and the subsets, where it has these)."""
    section = config.corpora[corpus]
    if isinstance(section, DemoCorpus):
        return f"{paths.corpus(config, corpus)}/source/LibriSpeech"
    if isinstance(section, TableCorpus):
        return under(config, section.folder) if section.folder else str(Path(under(config, section.table)).parent)
    return under(config, section.root)


def listed_in(config: Config, corpus: str) -> dict[str, str]:
    """The files that say what a corpus holds, by their keys: {split, meta}, {table, manifest, speakers}, or none."""
    section = config.corpora[corpus]
    keys = [key for key in ("split", "meta", "table", "manifest", "speakers") if getattr(section, key, None)]
    return {key: under(config, getattr(section, key)) for key in keys}


def alignment_source(config: Config, corpus: str, subset: str) -> dict[str, str] | None:
    """The alignments of one subset as a kind and paths, {kind, path[, labels]}; None as of `alignments`."""
    folder = paths.corpus(config, corpus)
    if isinstance(config.corpora[corpus], DemoCorpus):
        return {"kind": "textgrid", "path": f"{folder}/source/alignments/{subset}"}
    section = alignments(config, corpus, subset)
    if section is None:
        return None
    if isinstance(section, PocketSphinxAlignments):
        return {"kind": "textgrid", "path": f"{folder}/alignments/{subset}"}
    named = section.model_dump()
    paths_of = {key: under(config, named[key], subset) for key in ("path", "labels") if key in named}
    # A tier of the usual name is left out, as nothing depends on it.
    tier = {"tier": named["tier"]} if named.get("tier", TIER) != TIER else {}
    return {"kind": named["kind"]} | paths_of | tier


def genders(config: Config, corpus: str) -> str | None:
    """The file that gives each speaker's gender: the corpus's JSON, or SPEAKERS.TXT; None where none is wanted."""
    given = getattr(config.corpora[corpus], "genders", None)
    if given == "none":
        return None
    return under(config, given) if given else f"{source_root(config, corpus)}/SPEAKERS.TXT"


def phones(config: Config, corpus: str) -> dict[str, Any]:
    """What labels stand for, as arguments of `corpus.phone_tables.phone_table`; {} for ARPABET and for no labels."""
    section = getattr(config.corpora[corpus], "phones", None)
    if section is None:
        return {}
    settings = section.model_dump(exclude_defaults=True)
    return settings | ({"path": under(config, section.path)} if section.path else {})


def phone_table_files(config: Config, corpus: str) -> list[str]:
    """The table of one's own that says what labels stand for; none for the tables that ship."""
    return [path for path in [phones(config, corpus).get("path")] if path]


def pitch_settings(config: Config, corpus: str, subset: str) -> dict[str, Any]:
    """How F0 is found: {method, floor_hz, ceiling_hz, path}; VoxCeleb1's is not."""
    section = config.corpora[corpus]
    pitch = Pitch(method="none") if isinstance(section, VoxCelebCorpus) else section.pitch
    path = under(config, pitch.path, subset) if pitch.path else None
    return pitch.model_dump() | {"path": path}


def pitch_files(config: Config, corpus: str, subset: str) -> list[str]:
    """The file of ready-made pitch bins of a subset; none where F0 is tracked."""
    return [path for path in [pitch_settings(config, corpus, subset)["path"]] if path]


def scan_source(config: Config, corpus: str, subset: str) -> dict[str, Any]:
    """What a subset is read from, as arguments of its kind's reader (`corpus.sources.open_subset`)."""
    section = config.corpora[corpus]
    source = {"root": source_root(config, corpus)}
    if converted(config, corpus):
        source["audio"] = section.audio.model_dump()
    if isinstance(section, VoxCelebCorpus):
        return source | listed_in(config, corpus)
    source |= {"alignments": alignment_source(config, corpus, subset), "phones": phones(config, corpus)}
    if isinstance(section, TableCorpus | FolderCorpus):
        source |= {"speakers": scanned_speakers(config, corpus), "per_speaker": scanned_per_speaker(config, corpus)}
    if isinstance(section, FolderCorpus):
        kept = section.model_dump(include={"recordings", "speaker", "utterance", "tier"})
        files = {key: getattr(section, key) for key in ("alignment", "transcript")}
        kept |= {key: path and str(Path(config.data_root) / path) for key, path in files.items()}
        return source | kept
    if isinstance(section, TableCorpus):
        tables = {key: path for key, path in listed_in(config, corpus).items() if key != "speakers"}
        return source | tables | section.model_dump(include={"columns", "tier"})
    return source | {"genders": genders(config, corpus)}


def scanned_speakers(config: Config, corpus: str) -> str | None:
    """The table of speakers, if the scan reads it: for the genders in it."""
    path = listed_in(config, corpus).get("speakers")
    try:
        return path if path and cells.has_genders(path) else None
    except PropertyNeuronsError:
        return _last_scan(config, corpus).get("source", {"speakers": path}).get("speakers")


def scanned_per_speaker(config: Config, corpus: str) -> list[str]:
    """The columns with one value for each speaker, as far as the scan reads them: genders, and fields of paths."""
    known = ("gender", *path_fields(config, corpus))
    return [name for name in config.corpora[corpus].per_speaker if name in known]


def path_fields(config: Config, corpus: str) -> list[str]:
    """The fields that the paths of a corpus's recordings give, by name; none for most corpora."""
    section = config.corpora[corpus]
    return fields_of(section.recordings) if isinstance(section, FolderCorpus) else []


def tables(config: Config, corpus: str) -> list[str]:
    """The user's tables whose columns are read after the scan; none for most corpora."""
    section = config.corpora[corpus]
    return list(listed_in(config, corpus).values()) if isinstance(section, TableCorpus | FolderCorpus) else []


def table_settings(config: Config, corpus: str) -> dict[str, Any]:
    """How the user's tables are read, as arguments of `corpus.table_columns.table_columns`."""
    files = {"table": None, "manifest": None, "speakers": None} | listed_in(config, corpus)
    section = config.corpora[corpus]
    return files | {"columns": dict(getattr(section, "columns", {})), "per_speaker": list(section.per_speaker)}


def scanned_digest(config: Config, corpus: str) -> str | None:
    """A digest of what the scan reads of the user's tables; None where there are none.

    Of a table that cannot be read it is what it was: the job that reads its columns says what is wrong. Once that is
    mended, no recording is read again.
    """
    if not tables(config, corpus):
        return None
    settings = table_settings(config, corpus) | {"speakers": scanned_speakers(config, corpus)}
    del settings["per_speaker"]
    try:
        return cells.scanned_digest(**settings)
    except PropertyNeuronsError:
        return _last_scan(config, corpus).get("scanned")


def _last_scan(config: Config, corpus: str) -> dict[str, Any]:
    """What the manifest of the last scan of a corpus of one subset says; {} where there is none that can be read."""
    (subset_name,) = subsets(config, corpus)
    manifest = Path(f"{paths.subset(config, corpus, subset_name)}/tables.manifest.json")
    # Without the readers of manifests, which planning would have to load.
    try:
        noted = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def columns(config: Config, corpus: str) -> list[str]:
    """What the user's tables say of the utterances, and which of these they contradict; none without such tables."""
    folder = paths.corpus(config, corpus)
    return [f"{folder}/columns.parquet", f"{folder}/columns.report.tsv"] if tables(config, corpus) else []


def scanned_tables(config: Config, corpus: str) -> list[str]:
    """The tables of the user's that the scan reads, which depends on `scanned_digest` of them."""
    speakers = listed_in(config, corpus).get("speakers")
    unread = [speakers] if speakers and scanned_speakers(config, corpus) is None else []
    return [path for path in tables(config, corpus) if path not in unread]


def scan_inputs(config: Config, corpus: str, subset: str) -> list[str]:
    """The small files that the scan of a subset depends on, but for the user's tables (`scanned_tables`).

    Audio and TextGrids are read, not tracked.
    """
    if isinstance(config.corpora[corpus], DemoCorpus):
        return [paths.manifest(f"{paths.corpus(config, corpus)}/source")]
    made = [path for path in [own_alignments(config, corpus, subset)] if path]
    return own_files(config, corpus, subset) + made


def own_files(config: Config, corpus: str, subset: str) -> list[str]:
    """The user's own files among `scan_inputs`."""
    if isinstance(config.corpora[corpus], DemoCorpus):
        return []
    source = scan_source(config, corpus, subset)
    files = [] if tables(config, corpus) else list(listed_in(config, corpus).values())
    files += phone_table_files(config, corpus)
    if source.get("genders"):
        files.append(source["genders"])
    aligned = source.get("alignments")
    if aligned and aligned["kind"] == "framewise":
        files += [aligned["path"], aligned["labels"]]
    return files


def under(config: Config, path: str, subset: str = "") -> str:
    """`path` with `{subset}` filled in, taken from `data_root` unless it is absolute."""
    return str(Path(config.data_root) / path.replace("{subset}", subset))
