"""Building the frame store of one shard: a phone label and a segment for each 20 ms cell, and the F0 tracks."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from property_neurons.corpus.alignments import FRAME_US
from property_neurons.corpus.audio import model_frames
from property_neurons.corpus.frame_labels import label_utterances
from property_neurons.corpus.phones import PAPER_PHONES, Inventory
from property_neurons.corpus.pitch import estimate_f0
from property_neurons.corpus.pitch_source import Pitch
from property_neurons.corpus.recordings import Recording, read_recording, recordings_of
from property_neurons.corpus.utterance_columns import OWN_COLUMNS, known_columns
from property_neurons.errors import CorpusError, PropertyNeuronsError
from property_neurons.jobs.parallel import map_in_processes
from property_neurons.progress import progress
from property_neurons.stores.zarr import add_array, new_store

# How far ready-made bins may be from the frames; in LibriSpeech's dev-clean the authors leave out up to 6 %.
_FRAMES_OFF, _LEAST_OF_BINS = 3, 0.85


def write_frame_store(
    path: str | Path,
    *,
    shard_list: pd.DataFrame,
    segments: pd.DataFrame,
    utterances: pd.DataFrame,
    root: str | Path,
    pitch: Pitch,
    inventory: Inventory = PAPER_PHONES,
    tracked: Mapping[str, np.ndarray] = MappingProxyType({}),
    workers: int = 1,
) -> None:
    """Write the frame store of one shard: U utterances, F label cells, S segments, P pitch frames.

    Attributes: utterances, speakers, genders, subsets [U], columns ({name: [U]} of what else the corpus knows: text,
    numbers, null where missing), recordings ({digests: [U]}), labels,
    classes ({name: phones}, where they are not the paper's), marks, frame_us, pitch.
    Arrays: frame_offset [U + 1]; label, segment [F]; segment_mark (index into marks), segment_start, segment_end (us)
    [S]; pitch_offset [U + 1]; and f0 (Hz, NaN unvoiced) [P], or pitch_bin [P] for ready-made bins. Pitch tracks start
    at t = 0 and are not padded.

    Args:
        path: the .zarr to write.
        shard_list: as `shards.read_shard_list` gives it; its order is the order of the store.
        segments: segments of at least these utterances, in order of time.
        utterances: the corpus's utterances, at least these.
        root: the folder the audio paths of the shard list start from.
        pitch: where F0 comes from.
        inventory: the phones that labels are of.
        tracked: F0 that is known, found in the same way, by the digest of the recording.
        workers: processes for the F0; the result does not depend on it.

    Raises:
        CorpusError: the tables, the audio and the pitch bins do not belong together.
    """
    ids = shard_list["utterance"].tolist()
    facts = utterances.set_index("utterance")
    by_utterance = dict(list(segments.groupby("utterance", sort=False)))
    _require(path, ids, facts.index, "a row in the table of utterances", "run the corpus rules again")
    _require(path, ids, by_utterance, "segments", "run the corpus rules again")
    facts = facts.loc[ids]
    mine = pd.concat([segments.iloc[:0], *(by_utterance[utterance] for utterance in ids)])
    label, segment = label_utterances(ids, facts["n_labels"].tolist(), by_utterance, inventory.silence)
    mark, marks = pd.factorize(mine["mark"].astype("str"), sort=True)
    tracks = _tracks(path, shard_list, Path(root), pitch, tracked, workers)
    with new_store(path) as store:
        store.attrs.update(
            {
                "utterances": ids,
                "speakers": facts["speaker"].tolist(),
                "genders": facts["gender"].tolist(),
                "subsets": facts["subset"].tolist(),
                "columns": {name: values for name, values in known_columns(facts).items() if name not in OWN_COLUMNS},
                "recordings": {"digests": shard_list["audio_digest"].tolist()},
                "labels": list(inventory.labels),
                **_classes(inventory),
                "marks": marks.tolist(),
                "frame_us": FRAME_US,
                "pitch": pitch.method,
            }
        )
        add_array(store, "frame_offset", _offsets(facts["n_labels"]))
        add_array(store, "label", label)
        add_array(store, "segment", segment)
        add_array(store, "segment_mark", mark.astype(np.int16))
        add_array(store, "segment_start", mine["start_us"].to_numpy(np.int64))
        add_array(store, "segment_end", mine["end_us"].to_numpy(np.int64))
        add_array(store, "pitch_offset", _offsets([len(track) for track in tracks]))
        name, dtype = ("pitch_bin", np.int8) if pitch.method == "bins" else ("f0", np.float32)
        add_array(store, name, np.concatenate([np.empty(0, dtype), *tracks]))


def _require(store: str | Path, ids: list[str], known: Container[str], what: str, remedy: str) -> None:
    missing = [utterance for utterance in ids if utterance not in known]
    if missing:
        raise CorpusError(
            f"{store}: expected {what} for each of {len(ids)} utterances of the shard, found none for {len(missing)}: "
            f"{', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}; {remedy}"
        )


def _classes(inventory: Inventory) -> dict[str, dict[str, list[str]]]:
    if inventory == PAPER_PHONES:
        return {}
    return {"classes": {name: list(phones) for name, phones in inventory.classes.items()}}


def _offsets(lengths: Sequence[int] | pd.Series) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.asarray(lengths, dtype=np.int64))])


def _tracks(
    store: str | Path,
    shard_list: pd.DataFrame,
    root: Path,
    pitch: Pitch,
    tracked: Mapping[str, np.ndarray],
    workers: int,
) -> list[np.ndarray]:
    if pitch.method == "none":
        return [np.empty(0, np.float32)] * len(shard_list)
    if pitch.method == "bins":
        ids = shard_list["utterance"].tolist()
        _require(store, ids, pitch.bins, "pitch bins", "complete the file of pitch bins, or choose an F0 estimator")
        return [
            _of_this_length(store, row.utterance, pitch.bins[row.utterance], row.n_samples)
            for row in shard_list.itertuples()
        ]
    recordings = recordings_of(shard_list[~shard_list["audio_digest"].isin(list(tracked))], root)
    found = progress(
        map_in_processes(_F0(pitch), recordings, workers),
        total=len(recordings),
        what=f"F0 ({pitch.method})",
        unit="utt",
    )
    new = iter(list(found))
    return [tracked[digest] if digest in tracked else next(new) for digest in shard_list["audio_digest"]]


def _of_this_length(store: str | Path, utterance: str, bins: np.ndarray, n_samples: int) -> np.ndarray:
    """Hold ready-made bins against the audio; the authors' end some frames early and leave frames out."""
    frames = model_frames(n_samples)
    if not _LEAST_OF_BINS * frames - _FRAMES_OFF <= len(bins) <= frames + _FRAMES_OFF:
        raise CorpusError(
            f"{store}: utterance {utterance}: expected about {frames} pitch bins, one for 20 ms, found {len(bins)}; "
            "give bins of this recording, 50 a second"
        )
    return bins


@dataclass(frozen=True)
class _F0:
    pitch: Pitch

    def __call__(self, recording: Recording) -> np.ndarray:
        waveform = read_recording(recording)
        try:
            return estimate_f0(waveform, self.pitch.method, self.pitch.floor_hz, self.pitch.ceiling_hz)
        except PropertyNeuronsError as error:
            raise CorpusError(f"{recording.audio}: {error}") from error
