"""Scanning one subset of a corpus in the LibriSpeech layout.

    root/SPEAKERS.TXT
    root/{subset}/{speaker}/{chapter}/{speaker}-{chapter}-{number}.flac (or .wav, .mp3, .ogg)
    root/{subset}/{speaker}/{chapter}/{speaker}-{chapter}.trans.txt

Here every audio file is decoded and every alignment parsed, once; later stages trust the tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from property_neurons.corpus.alignments import Alignment, AlignmentSource, UnusableAlignment
from property_neurons.corpus.audio import (
    AUDIO_SUFFIXES,
    SAMPLE_RATE,
    AudioFacts,
    UnusableAudio,
    inspect_audio,
    model_frames,
)
from property_neurons.corpus.report import KEPT, Trouble, report_table
from property_neurons.corpus.shards import shard_of
from property_neurons.corpus.transcripts import read_transcripts
from property_neurons.corpus.utterance_files import UtteranceFiles, find_utterance_files, name_troubles
from property_neurons.errors import CorpusError
from property_neurons.jobs.parallel import map_in_processes
from property_neurons.progress import progress

# Aligners round times to their own frames, 10 ms as a rule: an alignment that ends so little late is not wrong.
END_TOLERANCE_US = 10_000

_UTTERANCE_TYPES = {
    "utterance": "str",
    "subset": "str",
    "speaker": "str",
    "chapter": "str",
    "gender": "str",
    "audio": "str",
    "audio_digest": "str",
    "n_samples": "int64",
    "n_labels": "int64",
    "transcript": "str",
    "shard": "str",
}


@dataclass(frozen=True, eq=False)
class Scan:
    """What one subset holds.

    utterances: those fit for use, sorted by id: utterance, subset, speaker, chapter, gender, audio (relative to the
        corpus root), audio_digest, n_samples, n_labels, transcript, shard.
    segments: theirs, sorted by shard, utterance, time: shard, utterance, start_us, end_us, label.
    report: a row for each trouble of the others: corpus, subset, utterance, code, detail, action.
    """

    utterances: pd.DataFrame
    segments: pd.DataFrame
    report: pd.DataFrame


def scan_subset(
    corpus: str,
    root: str | Path,
    subset: str,
    *,
    alignments: AlignmentSource,
    genders: Mapping[str, str],
    n_shards: int,
    workers: int = 1,
) -> Scan:
    """Look at every utterance of a subset: its audio, decoded in full, its alignment, and whether they agree.

    Args:
        corpus: its name, for the report.
        root: the folder that holds the subsets.
        subset: name of the subset and of its folder.
        alignments: where its alignments come from.
        genders: {speaker: "M" | "F"}.
        n_shards: how many shards its utterances are dealt to.
        workers: processes to use; the result does not depend on it.

    Raises:
        CorpusError: the root or the subset is not there, or holds no audio. Troubles with single utterances are
            not raised but reported.
    """
    root = Path(root)
    found = _audio_of(root, subset)
    audio = found.paths
    transcripts = read_transcripts(root / subset)
    labelled = alignments.utterances()
    examine = _Examiner(root, audio, transcripts, labelled, alignments, genders)
    utterances = sorted({*audio, *transcripts, *labelled})
    findings = progress(
        map_in_processes(examine, utterances, workers), total=len(utterances), what=f"{corpus}/{subset}", unit="utt"
    )
    scan = _tables(corpus, root, subset, audio, transcripts, genders, n_shards, list(findings))
    beside = [
        report_table(corpus, subset, list(dict.fromkeys([*found.not_read, *alignments.not_read()]))),
        report_table(corpus, subset, found.read_once, KEPT),
    ]
    return replace(scan, report=pd.concat([scan.report, *beside], ignore_index=True))


@dataclass(frozen=True)
class _Finding:
    utterance: str
    facts: AudioFacts | None
    alignment: Alignment | None
    troubles: tuple[Trouble, ...]


@dataclass(frozen=True)
class _Examiner:
    root: Path
    audio: Mapping[str, Sequence[Path]]
    transcripts: Mapping[str, Sequence[str]]
    labelled: frozenset[str]
    alignments: AlignmentSource
    genders: Mapping[str, str]

    def __call__(self, utterance: str) -> _Finding:
        unusable = name_troubles(utterance, self.audio.get(utterance, ()), self.root)
        if unusable:
            return _Finding(utterance, None, None, tuple(unusable))
        troubles = [*self._presence(utterance), *self._identity(utterance)]
        facts, alignment = None, None
        for path in self.audio.get(utterance, ()):
            try:
                facts = inspect_audio(path)
            except UnusableAudio as error:
                troubles += error.troubles
        if utterance in self.labelled:
            try:
                alignment = self.alignments.read(utterance)
            except UnusableAlignment as error:
                troubles += error.troubles
        if facts is not None and alignment is not None:
            troubles += _agreement(facts.n_samples, alignment)
        return _Finding(utterance, facts, alignment, tuple(troubles))

    def _presence(self, utterance: str) -> list[Trouble]:
        troubles = []
        labelled = utterance in self.labelled
        if utterance in self.audio:
            if not labelled:
                detail = f"expected an alignment, found none; align {utterance} or remove its audio"
                troubles.append(Trouble("missing_alignment", detail))
            return troubles
        suffixes = ", ".join(sorted(AUDIO_SUFFIXES))
        expected = f"expected {utterance} as one of {suffixes}, found no audio"
        if utterance in self.transcripts:
            troubles.append(Trouble("missing_audio", f"{expected}; fetch it or remove its transcript"))
        if labelled:
            troubles.append(Trouble("labels_without_audio", f"{expected}; fetch it or remove its alignment"))
        return troubles

    def _identity(self, utterance: str) -> list[Trouble]:
        troubles = []
        paths = self.audio.get(utterance, ())
        if len(paths) > 1:
            places = ", ".join(map(str, paths))
            detail = f"expected one audio file of this id, found {places}; remove all but one"
            troubles.append(Trouble("duplicate_utterance", detail))
        lines = len(self.transcripts.get(utterance, ()))
        if lines > 1:
            detail = f"expected one transcript of this id, found {lines}; remove all but one"
            troubles.append(Trouble("duplicate_utterance", detail))
        speaker, _ = _speaker_and_chapter(utterance)
        if speaker not in self.genders:
            detail = (
                f"expected speaker {speaker!r} (the id up to the first '-') among the {len(self.genders)} whose gender "
                "is known, found no entry; add the speaker to SPEAKERS.TXT or the gender JSON"
            )
            troubles.append(Trouble("unknown_speaker", detail))
        return troubles


def _audio_of(root: Path, subset: str) -> UtteranceFiles:
    for folder in (root, root / subset):
        if not folder.is_dir():
            raise CorpusError(f"{folder}: expected a folder of the corpus, found none; check the paths in the config")
    found = find_utterance_files(root / subset, AUDIO_SUFFIXES)
    if not found.paths:
        raise CorpusError(
            f"{root / subset}: expected audio ({', '.join(sorted(AUDIO_SUFFIXES))}) below it, found none"
            f"{found.reasons()}; check the paths in the config, or fetch the subset"
        )
    return found


def _speaker_and_chapter(utterance: str) -> tuple[str, str]:
    speaker, _, rest = utterance.partition("-")
    return speaker, rest.partition("-")[0]


def _agreement(n_samples: int, alignment: Alignment) -> list[Trouble]:
    """Whether audio and alignment are of one length (method: T = n_labels or one less)."""
    troubles = []
    audio_us = n_samples * 1_000_000 // SAMPLE_RATE
    if alignment.end > audio_us + END_TOLERANCE_US:
        detail = (
            f"expected an alignment that ends with the audio at {audio_us / 1e6:.3f} s, "
            f"found one that ends at {alignment.end / 1e6:.3f} s; check that both belong together, or align again"
        )
        troubles.append(Trouble("alignment_longer_than_audio", detail))
    frames = model_frames(n_samples)
    if abs(frames - alignment.n_labels) > 1:
        detail = (
            f"expected {frames} labels of 20 ms, give or take one, for {n_samples} samples, "
            f"found {alignment.n_labels}; check that audio and alignment belong together, or align again"
        )
        troubles.append(Trouble("frames_labels_mismatch", detail))
    return troubles


def _tables(
    corpus: str,
    root: Path,
    subset: str,
    audio: Mapping[str, Sequence[Path]],
    transcripts: Mapping[str, Sequence[str]],
    genders: Mapping[str, str],
    n_shards: int,
    findings: Sequence[_Finding],
) -> Scan:
    rows, segments = [], []
    for finding in findings:
        if finding.troubles:
            continue
        utterance, facts, alignment = finding.utterance, finding.facts, finding.alignment
        speaker, chapter = _speaker_and_chapter(utterance)
        shard = shard_of(utterance, subset, n_shards)
        rows.append(
            {
                "utterance": utterance,
                "subset": subset,
                "speaker": speaker,
                "chapter": chapter,
                "gender": genders[speaker],
                "audio": audio[utterance][0].relative_to(root).as_posix(),
                "audio_digest": facts.digest,
                "n_samples": facts.n_samples,
                "n_labels": alignment.n_labels,
                "transcript": "".join(transcripts.get(utterance, ())),
                "shard": shard,
            }
        )
        segments.append((shard, utterance, alignment))
    segments.sort(key=lambda segment: segment[:2])
    troubles = [(finding.utterance, trouble) for finding in findings for trouble in finding.troubles]
    return Scan(
        utterances=pd.DataFrame(rows, columns=list(_UTTERANCE_TYPES)).astype(_UTTERANCE_TYPES),
        segments=_segment_table(segments),
        report=report_table(corpus, subset, troubles),
    )


def _segment_table(segments: Sequence[tuple[str, str, Alignment]]) -> pd.DataFrame:
    lengths = [len(alignment.labels) for _, _, alignment in segments]

    def repeated(names: list[str]) -> pd.Series:
        # As strings of pandas throughout: numpy would make each as wide as the longest, at four bytes a letter.
        return pd.Series(names, dtype="str").repeat(lengths).reset_index(drop=True)

    def joined(name: str, dtype: type) -> np.ndarray:
        return np.concatenate([np.empty(0, dtype), *(getattr(alignment, name) for _, _, alignment in segments)])

    return pd.DataFrame(
        {
            "shard": repeated([shard for shard, _, _ in segments]),
            "utterance": repeated([utterance for _, utterance, _ in segments]),
            "start_us": joined("starts", np.int64),
            "end_us": joined("ends", np.int64),
            "label": joined("labels", np.int8),
        }
    )
