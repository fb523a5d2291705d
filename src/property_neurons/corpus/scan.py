"""Scanning one subset of a corpus, whatever its layout.

Here every audio file is decoded and every alignment parsed, once; later stages trust the tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from property_neurons.corpus.alignments import Alignment, AlignmentSource, UnusableAlignment, unaligned
from property_neurons.corpus.audio import SAMPLE_RATE, AudioFacts, UnusableAudio, inspect_audio, model_frames
from property_neurons.corpus.converted_audio import Conversion
from property_neurons.corpus.listing import Listed, Listing
from property_neurons.corpus.phones import PAPER_PHONES, Inventory
from property_neurons.corpus.report import CONVERTED, IGNORED, KEPT, REPORT_COLUMNS, Trouble, report_table
from property_neurons.corpus.shards import shard_of
from property_neurons.corpus.utterance_columns import UTTERANCE_TYPES
from property_neurons.errors import printable
from property_neurons.jobs.parallel import map_in_processes
from property_neurons.progress import progress

# Aligners round times to their own frames, 10 ms as a rule: an alignment that ends so little late is not wrong.
END_TOLERANCE_US = 10_000


@dataclass(frozen=True, eq=False)
class Scan:
    """What one subset holds.

    utterances: those fit for use, sorted by id: utterance, subset, speaker, gender ("" where not known), audio
        (relative to the corpus root), audio_digest, n_samples, n_labels, transcript, shard, and the layout's others.
    segments: theirs, sorted by shard, utterance, time: shard, utterance, start_us, end_us, label, mark.
    report: a row for each trouble of the others: corpus, subset, utterance, code, detail, action.
    """

    utterances: pd.DataFrame
    segments: pd.DataFrame
    report: pd.DataFrame


def scan_subset(
    corpus: str,
    subset: str,
    listing: Listing,
    *,
    alignments: AlignmentSource | None,
    n_shards: int,
    conversion: Conversion | None = None,
    inventory: Inventory = PAPER_PHONES,
    workers: int = 1,
) -> Scan:
    """Look at every utterance of a subset: its audio, decoded in full, its alignment, and whether they agree.

    Troubles with single utterances are not raised but reported.

    Args:
        corpus, subset: their names, for the tables.
        listing: what there is.
        alignments: where its alignments come from; None for speech without any, which is then one long segment.
        n_shards: how many shards its utterances are dealt to.
        conversion: makes copies of the audio that models can read, whose paths the utterances then have.
        inventory: the phones that labels are of.
        workers: processes to use; the result does not depend on it.
    """
    labelled = alignments.utterances() if alignments is not None else frozenset()
    examine = _Examiner(listing.root, labelled, alignments, conversion, inventory.spoken_noise)
    total = len(listing.utterances)
    findings = list(
        progress(
            map_in_processes(examine, listing.utterances, workers), total=total, what=f"{corpus}/{subset}", unit="utt"
        )
    )
    troubles = [
        (listed.utterance, trouble)
        for listed, finding in zip(listing.utterances, findings, strict=True)
        for trouble in finding.troubles
    ]
    converted = [
        (listed.utterance, done)
        for listed, finding in zip(listing.utterances, findings, strict=True)
        for done in finding.converted
        if not finding.troubles
    ]
    not_read = [*listing.not_read, *(alignments.not_read() if alignments is not None else ())]
    reports = [
        report_table(corpus, subset, troubles),
        report_table(corpus, subset, list(dict.fromkeys(not_read))),
        report_table(corpus, subset, listing.read_once, KEPT),
        report_table(corpus, subset, converted, CONVERTED),
        _ignored_rows(corpus, subset, listing.ignored),
    ]
    utterances, segments = _tables(subset, listing, n_shards, findings)
    return Scan(utterances, segments, pd.concat(reports, ignore_index=True))


@dataclass(frozen=True)
class _Finding:
    facts: AudioFacts | None
    alignment: Alignment | None
    troubles: tuple[Trouble, ...]
    audio: str = ""
    converted: tuple[Trouble, ...] = ()


@dataclass(frozen=True)
class _Examiner:
    root: Path
    labelled: frozenset[str]
    alignments: AlignmentSource | None
    conversion: Conversion | None
    spoken_noise: int

    def __call__(self, listed: Listed) -> _Finding:
        if any(trouble.code == "unusable_name" for trouble in listed.troubles):
            return _Finding(None, None, listed.troubles)
        troubles = list(listed.troubles)
        facts, alignment, audio, converted = None, None, "", []
        for path in listed.audio:
            try:
                if self.conversion is None:
                    facts, audio = inspect_audio(self.root / path), path
                else:
                    facts, audio, converted = self.conversion.convert(self.root, path)
            except UnusableAudio as error:
                troubles += error.troubles
        if listed.utterance in self.labelled:
            try:
                alignment = self.alignments.read(listed.utterance)
            except UnusableAlignment as error:
                troubles += error.troubles
        elif self.alignments is None:
            alignment = unaligned(facts.n_samples, self.spoken_noise) if facts is not None else None
        elif listed.audio:
            detail = f"expected an alignment, found none; align {listed.utterance} or remove its audio"
            troubles.append(Trouble("missing_alignment", detail))
        if facts is not None and alignment is not None:
            troubles += _agreement(facts.n_samples, alignment)
        return _Finding(facts, alignment, tuple(troubles), audio, tuple(converted))


def _agreement(n_samples: int, alignment: Alignment) -> list[Trouble]:
    """Whether audio and alignment have one length (method: T = n_labels or one less)."""
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


def _ignored_rows(corpus: str, subset: str, ignored: Sequence[tuple[str, str]]) -> pd.DataFrame:
    rows = [(corpus, subset, "", code, printable(detail), IGNORED) for code, detail in ignored]
    return pd.DataFrame(rows, columns=list(REPORT_COLUMNS), dtype="str")


def _tables(
    subset: str, listing: Listing, n_shards: int, findings: Sequence[_Finding]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows, segments = [], []
    for listed, finding in zip(listing.utterances, findings, strict=True):
        if finding.troubles:
            continue
        shard = shard_of(listed.utterance, subset, n_shards)
        rows.append(
            {
                "utterance": listed.utterance,
                "subset": subset,
                "speaker": listed.speaker,
                "gender": listed.gender,
                "audio": finding.audio,
                "audio_digest": finding.facts.digest,
                "n_samples": finding.facts.n_samples,
                "n_labels": finding.alignment.n_labels,
                "transcript": listed.transcript,
                "shard": shard,
                **listed.columns,
            }
        )
        segments.append((shard, listed.utterance, finding.alignment))
    segments.sort(key=lambda segment: segment[:2])
    types = UTTERANCE_TYPES | dict(listing.types)
    return pd.DataFrame(rows, columns=list(types)).astype(types), _segment_table(segments)


def _segment_table(segments: Sequence[tuple[str, str, Alignment]]) -> pd.DataFrame:
    lengths = [len(alignment.labels) for _, _, alignment in segments]

    def repeated(names: list[str]) -> pd.Series:
        # As strings of pandas throughout: numpy would make each as wide as the longest, at four bytes a letter.
        return pd.Series(names, dtype="str").repeat(lengths).reset_index(drop=True)

    def joined(name: str, dtype: type) -> np.ndarray:
        return np.concatenate([np.empty(0, dtype), *(getattr(alignment, name) for _, _, alignment in segments)])

    marks = [mark for _, _, alignment in segments for mark in alignment.marks or ("",) * len(alignment.labels)]
    return pd.DataFrame(
        {
            "shard": repeated([shard for shard, _, _ in segments]),
            "utterance": repeated([utterance for _, utterance, _ in segments]),
            "start_us": joined("starts", np.int64),
            "end_us": joined("ends", np.int64),
            "label": joined("labels", np.int8),
            "mark": pd.Series(marks, dtype="str"),
        }
    )
