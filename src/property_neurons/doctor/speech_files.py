"""Findings about what the files of a corpus hold: genders, a few recordings and alignments, read as a scan does."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from property_neurons import plan
from property_neurons.config.corpora import LibriSpeechCorpus, VoxCelebCorpus
from property_neurons.config.root import Config
from property_neurons.corpus.alignments import UnusableAlignment
from property_neurons.corpus.audio import AUDIO_SUFFIXES, UnusableAudio, inspect_audio
from property_neurons.corpus.codes import CODES
from property_neurons.corpus.framewise import read_pitch_bins
from property_neurons.corpus.genders import read_genders
from property_neurons.corpus.report import Trouble
from property_neurons.corpus.sources import open_alignments
from property_neurons.corpus.spoken_words import spoken_words
from property_neurons.corpus.textgrid import read_textgrid
from property_neurons.corpus.transcripts import read_transcripts
from property_neurons.corpus.utterance_files import utterance_of
from property_neurons.corpus.voxceleb import read_meta, read_split
from property_neurons.doctor.finding import Finding
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


def _librispeech(config: Config, corpus: str, fatal: bool) -> Iterator[Finding]:
    section, key = config.corpora[corpus], f"corpora.{corpus}"
    field = f"{key}.genders" if section.genders else f"{key}.root"
    genders = yield from _read(field, plan.corpora.genders(config, corpus), read_genders, fatal)
    strict = fatal and section.on_bad_utterance == "fail"
    for subset in section.subsets:
        folder = Path(plan.corpora.root(config, corpus)) / subset
        audio = sampled_files(folder, _AUDIO, _SAMPLED)
        subset_key = f"{key}.subsets.{subset}"
        yield from _sampled(subset_key, "recordings", folder, audio, inspect_audio, strict, fatal)
        if genders is not None:
            yield from _unknown_speakers(field, folder, audio, genders, strict, fatal)
        aligned_here = plan.corpora.aligned_here(config, corpus, subset)
        yield from _transcripts(subset_key, folder, aligned_here, strict, fatal)
        if not aligned_here:
            source = plan.corpora.alignment_source(config, corpus, subset)
            yield from _alignments(f"{key}.alignments.path", source, strict, fatal)
        bins = plan.corpora.pitch_settings(config, corpus, subset)["path"]
        if bins and Path(bins).is_file() and Path(bins).stat().st_size < _QUICKLY_READ:
            yield from _read(f"{key}.pitch.path", bins, read_pitch_bins, fatal)


def _transcripts(about: str, folder: Path, aligned_here: bool, strict: bool, needed: bool) -> Iterator[Finding]:
    """What is wrong with the transcripts of a few chapters; of those that will be aligned, with their words too."""
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


def _alignments(about: str, source: dict[str, str], strict: bool, needed: bool) -> Iterator[Finding]:
    path = Path(source["path"])
    if source["kind"] == "textgrid":
        grids = sampled_files(path, (".textgrid",), _SAMPLED) or sampled_files(path, (".json",), _SAMPLED)
        yield from _sampled(about, "alignments", path, grids, read_textgrid, strict, needed)
    elif path.is_file() and Path(source["labels"]).is_file() and path.stat().st_size < _QUICKLY_READ:
        labels = yield from _read(about, str(path), lambda _: open_alignments(**source), needed)
        utterances = evenly(sorted(labels.utterances()), _SAMPLED) if labels is not None else []
        yield from _sampled(about, "alignments", path, utterances, labels.read if labels else None, strict, needed)


def _voxceleb(config: Config, corpus: str, fatal: bool) -> Iterator[Finding]:
    key, files = f"corpora.{corpus}", plan.corpora.voxceleb_files(config, corpus)
    yield from _read(f"{key}.split", files["split"], read_split, fatal)
    yield from _read(f"{key}.meta", files["meta"], read_meta, fatal)
    strict = fatal and config.corpora[corpus].on_bad_utterance == "fail"
    audio = sampled_files(files["root"], _AUDIO, _SAMPLED)
    yield from _sampled(f"{key}.root", "recordings", files["root"], audio, inspect_audio, strict, fatal)


def _read(about: str, path: str | Path, read: Callable, fatal: bool):
    """What `read` gives; None, and a finding, where the file or folder cannot be read."""
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
    found: dict[str, list[tuple[Path | str, Trouble]]] = defaultdict(list)
    for path in files:
        try:
            read(path)
        except (UnusableAudio, UnusableAlignment) as error:
            for trouble in error.troubles:
                found[trouble.code].append((path, trouble))
    for code, troubles in found.items():
        path, trouble = troubles[0]
        yield Finding(
            about,
            f"{len(files)} sampled {what} below {printable(folder)} that are fit for use",
            f"{len(troubles)} with {code} ({CODES[code]}), such as {printable(path)}: {printable(trouble.detail)}",
            "mend these and others like them, or leave them out with on_bad_utterance: skip",
            fatal=strict or (needed and len(troubles) == len(files)),
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
