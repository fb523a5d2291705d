"""Findings about what the files of a corpus hold: genders, a few recordings and alignments, read as a scan does."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from property_neurons import plan
from property_neurons.config.corpora import Corpus, FolderCorpus, LibriSpeechCorpus, TableCorpus, VoxCelebCorpus
from property_neurons.config.root import Config
from property_neurons.corpus.alignments import UnusableAlignment
from property_neurons.corpus.audio import AUDIO_SUFFIXES, UnusableAudio, inspect_audio, read_any_audio
from property_neurons.corpus.codes import CODES
from property_neurons.corpus.framewise import read_pitch_bins
from property_neurons.corpus.genders import read_genders
from property_neurons.corpus.listing import Listing
from property_neurons.corpus.phone_tables import phone_table
from property_neurons.corpus.report import Trouble, report_table
from property_neurons.corpus.sources import open_alignments, open_subset
from property_neurons.corpus.spoken_words import spoken_words
from property_neurons.corpus.table_columns import TableColumns, table_columns
from property_neurons.corpus.textgrid import TIER, read_textgrid
from property_neurons.corpus.transcripts import read_transcripts
from property_neurons.corpus.utterance_files import utterance_of
from property_neurons.corpus.voxceleb import read_meta, read_split
from property_neurons.doctor.finding import Finding
from property_neurons.doctor.groups import group_findings
from property_neurons.doctor.needs import Needs
from property_neurons.doctor.samples import evenly, sampled_files
from property_neurons.errors import AlignmentError, PropertyNeuronsError, printable, some_of
from property_neurons.stores.outside import composed

_SAMPLED = 20
# Bytes of a JSON of frame labels that is read in a second.
_QUICKLY_READ = 8_000_000
_AUDIO = tuple(sorted(AUDIO_SUFFIXES))


def speech_file_findings(config: Config, needed: Needs) -> Iterator[Finding]:
    """What is wrong with genders and sampled files; fatal where the default target needs the corpus and cannot skip it.

    Folders and files that are not there are left to `sources`.
    """
    for corpus, section in config.corpora.items():
        fatal = corpus in needed.corpora
        if isinstance(section, LibriSpeechCorpus):
            yield from _librispeech(config, corpus, fatal)
        elif isinstance(section, VoxCelebCorpus):
            yield from _voxceleb(config, corpus, fatal)
        elif isinstance(section, TableCorpus | FolderCorpus):
            yield from _table(config, corpus, fatal)


def _librispeech(config: Config, corpus: str, fatal: bool) -> Iterator[Finding]:
    section, key = config.corpora[corpus], f"corpora.{corpus}"
    field = f"{key}.genders" if section.genders else f"{key}.root"
    wanted = plan.corpora.genders(config, corpus)
    genders = (yield from _read(field, wanted, read_genders, fatal)) if wanted is not None else None
    strict = fatal and section.on_bad_utterance == "fail"
    for subset in section.subsets:
        folder = Path(plan.corpora.source_root(config, corpus)) / subset
        audio = sampled_files(folder, _AUDIO, _SAMPLED)
        subset_key = f"{key}.subsets.{subset}"
        yield from _sampled(subset_key, "recordings", folder, audio, _inspector(section), strict, fatal)
        if genders is not None:
            yield from _unknown_speakers(field, folder, audio, genders, strict, fatal)
        aligned_here = plan.corpora.aligned_here(config, corpus, subset)
        yield from _transcripts(subset_key, folder, aligned_here, strict, fatal)
        if not aligned_here:
            source = plan.corpora.alignment_source(config, corpus, subset)
            phones = plan.corpora.phones(config, corpus)
            if (yield from _read(f"{key}.phones", folder, lambda _: phone_table(**phones), fatal)) is not None:  # noqa: B023
                yield from _alignments(f"{key}.alignments.path", source, phones, strict, fatal)
        bins = plan.corpora.pitch_settings(config, corpus, subset)["path"]
        if bins and Path(bins).is_file() and Path(bins).stat().st_size < _QUICKLY_READ:
            yield from _read(f"{key}.pitch.path", bins, read_pitch_bins, fatal)


def _inspector(section: Corpus) -> Callable:
    """What reads a recording as the scan does; what will be converted is no trouble."""
    form = {"any_rate": section.audio.resample, "any_channels": section.audio.channels is not None}
    return partial(read_any_audio, **form) if any(form.values()) else inspect_audio


def _transcripts(about: str, folder: Path, aligned_here: bool, strict: bool, needed: bool) -> Iterator[Finding]:
    """What is wrong with the transcripts of a few chapters; where they will be aligned, also with their words."""
    texts: dict[str, str] = {}
    for file in sampled_files(folder, (".trans.txt",), _SAMPLED):
        found = yield from _read(about, file.parent, read_transcripts, needed)
        texts |= {utterance: lines[0] for utterance, lines in (found or {}).items()}
    strange = {}
    for utterance in evenly(sorted(texts), _SAMPLED) if aligned_here else []:
        try:
            spoken_words(texts[utterance])
        except AlignmentError as error:
            strange[utterance] = error
    if strange:
        utterance, error = next(iter(strange.items()))
        yield Finding(
            about,
            f"words that can be aligned in {min(len(texts), _SAMPLED)} sampled transcripts below {printable(folder)}",
            f"others in {len(strange)}, such as {printable(utterance)}: {error}",
            "mend these and others like them, or leave them out with on_bad_utterance: skip",
            fatal=strict,
        )


def _alignments(
    about: str, source: dict[str, str], phones: dict[str, Any], strict: bool, needed: bool
) -> Iterator[Finding]:
    path = Path(source["path"])
    if source["kind"] == "textgrid":
        grids = sampled_files(path, (".textgrid",), _SAMPLED) or sampled_files(path, (".json",), _SAMPLED)
        read = partial(read_textgrid, phones=phone_table(**phones), tier=source.get("tier", TIER))
        yield from _sampled(about, "alignments", path, grids, read, strict, needed)
    elif path.is_file() and Path(source["labels"]).is_file() and path.stat().st_size < _QUICKLY_READ:
        labels = yield from _read(about, str(path), lambda _: open_alignments(**source, phones=phones), needed)
        utterances = evenly(sorted(labels.utterances()), _SAMPLED) if labels is not None else []
        yield from _sampled(about, "alignments", path, utterances, labels.read if labels else None, strict, needed)


def _voxceleb(config: Config, corpus: str, fatal: bool) -> Iterator[Finding]:
    key, root = f"corpora.{corpus}", plan.corpora.source_root(config, corpus)
    files = plan.corpora.listed_in(config, corpus)
    yield from _read(f"{key}.split", files["split"], read_split, fatal)
    yield from _read(f"{key}.meta", files["meta"], read_meta, fatal)
    section = config.corpora[corpus]
    strict = fatal and section.on_bad_utterance == "fail"
    audio = sampled_files(root, _AUDIO, _SAMPLED)
    yield from _sampled(f"{key}.root", "recordings", root, audio, _inspector(section), strict, fatal)


def _table(config: Config, corpus: str, fatal: bool) -> Iterator[Finding]:
    """What the scan would refuse of a table: its columns, its rows, and a few of the files that it names."""
    section, key = config.corpora[corpus], f"corpora.{corpus}"
    if any(source.trouble() for source in plan.sources.of_corpus(config, corpus)):
        return
    settings = plan.corpora.scan_source(config, corpus, section.kind)
    about = f"{key}.table" if "table" in settings else f"{key}.recordings"
    where = settings.get("table", settings["root"])
    opened = yield from _read(about, where, lambda _: open_subset(section.kind, section.kind, settings), fatal)
    if opened is None:
        return
    listing, alignments = opened
    strict = fatal and section.on_bad_utterance == "fail"
    rows = listing.utterances
    troubles = [(listed.utterance, trouble) for listed in rows for trouble in listed.troubles]
    columns = yield from _read(about, where, lambda _: _columns(config, corpus, listing), fatal)
    if columns is not None:
        told = columns.report.itertuples()
        troubles += [(row.utterance, Trouble(row.code, row.detail)) for row in told]
        yield from group_findings(config, corpus, columns.columns, fatal=fatal)
    yield from _by_code(about, "rows", where, len(rows), troubles, strict, fatal)
    audio = [listing.root / path for listed in evenly(rows, _SAMPLED) for path in listed.audio]
    yield from _sampled(about, "recordings", listing.root, audio, _inspector(section), strict, fatal)
    if alignments is not None:
        named = alignments.utterances()
        utterances = [listed.utterance for listed in evenly(rows, _SAMPLED) if listed.utterance in named]
        yield from _sampled(about, "alignments", listing.root, utterances, alignments.read, strict, fatal)


def _columns(config: Config, corpus: str, listing: Listing) -> TableColumns:
    """What is listed of the utterances, and what the workflow will read of the tables once it has scanned these."""
    rows = [
        {"utterance": listed.utterance, "subset": "", "speaker": listed.speaker, "gender": listed.gender}
        | dict(listed.columns)
        for listed in listing.utterances
        if not listed.troubles
    ]
    utterances = pd.DataFrame(rows, columns=["utterance", "subset", "speaker", "gender", *listing.types])
    if not plan.corpora.tables(config, corpus):
        return TableColumns(utterances, report_table(corpus, "", []))
    return table_columns(corpus, utterances, **plan.corpora.table_settings(config, corpus))


def _read(about: str, path: str | Path, read: Callable, fatal: bool):
    """The result of `read`; None, and a finding, where the file or folder cannot be read."""
    if not Path(path).exists():
        return None
    try:
        return read(path)
    except PropertyNeuronsError as error:
        yield Finding.of_error(about, error, fatal)
        return None


def _sampled(
    about: str,
    what: str,
    folder: str | Path,
    files: Sequence[Path] | Sequence[str],
    read: Callable,
    strict: bool,
    needed: bool,
) -> Iterator[Finding]:
    """What is wrong with files, or utterances, that were sampled, a finding for each code.

    Args:
        strict: no utterance may be unfit.
        needed: by the default target, which has nothing to work on where all are unfit.
    """
    found: list[tuple[Path | str, Trouble]] = []
    for path in files:
        try:
            read(path)
        except (UnusableAudio, UnusableAlignment) as error:
            found += [(path, trouble) for trouble in error.troubles]
    yield from _by_code(about, f"sampled {what}", folder, len(files), found, strict, needed)


def _by_code(
    about: str,
    what: str,
    place: str | Path,
    n: int,
    found: Sequence[tuple[Path | str, Trouble]],
    strict: bool,
    needed: bool,
) -> Iterator[Finding]:
    """A finding for each code of the troubles of n files or utterances."""
    by_code: dict[str, list[tuple[Path | str, Trouble]]] = defaultdict(list)
    for name, trouble in found:
        by_code[trouble.code].append((name, trouble))
    for code, troubles in by_code.items():
        name, trouble = troubles[0]
        yield Finding(
            about,
            f"{n} {what} below {printable(place)} that are fit for use",
            f"{len(troubles)} with {code} ({CODES[code]}), such as {printable(name)}: {printable(trouble.detail)}",
            "mend these and others like them, or leave them out with on_bad_utterance: skip",
            fatal=strict or (needed and len(troubles) == n),
        )


def _unknown_speakers(
    about: str, folder: Path, audio: Sequence[Path], genders: dict[str, str], strict: bool, needed: bool
) -> Iterator[Finding]:
    """Speakers without a gender: of sampled files, and of all folders where these are named after their speakers."""
    if not audio:
        return
    sampled = {utterance_of(path).partition("-")[0] for path in audio}
    by_folder = {composed(path.relative_to(folder).parts[0]) for path in audio}
    speakers = set(_folders(folder)) if sampled == by_folder else sampled
    unknown = sorted(speakers - set(genders))
    if unknown:
        yield Finding(
            about,
            f"the gender of each of {len(speakers)} speakers below {printable(folder)}",
            f"none for {len(unknown)}: {printable(some_of(unknown))}",
            "add them to SPEAKERS.TXT or the gender JSON, or leave them out with on_bad_utterance: skip",
            fatal=strict or (needed and len(unknown) == len(speakers)),
        )


def _folders(folder: Path) -> list[str]:
    with os.scandir(folder) as scanned:
        return [composed(entry.name) for entry in scanned if entry.is_dir() and not entry.name.startswith(".")]
