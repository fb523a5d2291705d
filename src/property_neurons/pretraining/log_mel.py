"""Log-Mel frames of a shard's utterances, made once and read at random by training.

They lie in plain arrays that are mapped into memory, so that a crop costs no decoding and a corpus of any size no
memory: 4 bytes x 40 bins x 100 frames = 16 kB per second of audio, 55 GB for 960 hours.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile

from property_neurons.corpus.recordings import Recording, decode
from property_neurons.errors import ModelError, StoreError
from property_neurons.models.melhubert.features import SAMPLING_RATE, LogMelStatistics, log_mel, n_log_mel_frames
from property_neurons.progress import progress
from property_neurons.stores import files, manifests

MP3_LEVEL = 0.9
"""libsndfile's compression level for a constant 24 kbit/s at 16 kHz, which leaves nothing above 6 kHz."""

_CLEAN, _CODED = "frames.npy", "coded.npy"


@dataclass(frozen=True)
class LogMelShard:
    """Log-Mel frames of 10 ms, not normalised, of a shard's utterances.

    utterances: their ids.
    offset: int64 [utterances + 1], first frame of each.
    frames: float32 [frames, bins], mapped from disk.
    coded: the same of the audio after MP3 coding, or None.
    """

    utterances: tuple[str, ...]
    offset: np.ndarray
    frames: np.ndarray
    coded: np.ndarray | None


def write_log_mel(
    folder: str | Path,
    manifest: str | Path,
    recordings: Iterable[Recording],
    *,
    num_mel_bins: int = 40,
    mp3: bool = False,
) -> None:
    """Write the log-Mel frames of some utterances, whole or not at all.

    Args:
        folder, manifest: where to; the manifest describes every file.
        mp3: also keep the frames of the audio after MP3 coding at 24 kbit/s (`coded.npy`).

    Raises:
        AudioError, ModelError: an utterance cannot be decoded or is too short; the message names it.
    """
    recordings = list(recordings)
    offset = np.cumsum([0, *(n_log_mel_frames(recording.n_samples) for recording in recordings)])
    shape = (int(offset[-1]), num_mel_bins)
    with manifests.new_described_folder(folder, manifest) as temporary:
        frames = np.zeros(shape, np.float32)
        coded = np.zeros(shape, np.float32) if mp3 else None
        bar = progress(decode(recordings), total=len(recordings), what="log-Mel", unit="utterance")
        for index, waveform in enumerate(bar):
            place = slice(offset[index], offset[index + 1])
            try:
                frames[place] = log_mel(waveform, num_mel_bins)
                if coded is not None:
                    coded[place] = log_mel(code_as_mp3(waveform), num_mel_bins)
            except ModelError as error:
                raise ModelError(f"utterance {recordings[index].utterance}: {error}") from None
        np.save(temporary / "offset.npy", offset.astype(np.int64))
        np.save(temporary / _CLEAN, frames)
        if coded is not None:
            np.save(temporary / _CODED, coded)
        files.write_json(temporary / "utterances.json", [recording.utterance for recording in recordings])


def open_log_mel(manifest: str | Path) -> LogMelShard:
    """Open what `write_log_mel` wrote, by its manifest `x/shard.manifest.json` beside the folder `x/shard`.

    Raises:
        StoreError: a file is absent or altered, or the parts do not fit together.
    """
    manifest = Path(manifest)
    folder = manifests.described_folder(manifest)
    manifests.verify_files(folder, manifest)
    shard = LogMelShard(
        utterances=tuple(files.read_json(folder / "utterances.json")),
        offset=np.load(folder / "offset.npy"),
        frames=_mapped(folder / _CLEAN),
        coded=_mapped(folder / _CODED) if (folder / _CODED).is_file() else None,
    )
    if len(shard.offset) != len(shard.utterances) + 1 or shard.offset[-1] != len(shard.frames):
        raise StoreError(
            f"{folder}: expected frames of {len(shard.utterances)} utterances, found {len(shard.offset) - 1} with "
            f"{len(shard.frames)} frames; delete it and run again"
        )
    return shard


def _mapped(path: Path) -> np.ndarray:
    # An empty array cannot be mapped.
    return np.load(path, mmap_mode="r") if path.stat().st_size > 1024 else np.load(path)


def measure_statistics(shards: Sequence[LogMelShard]) -> LogMelStatistics:
    """Mean and standard deviation of each bin over every frame of some shards, in float64.

    Raises:
        StoreError: there are no frames.
    """
    count = sum(len(shard.frames) for shard in shards)
    if not count:
        raise StoreError("log-Mel statistics: expected frames, found none; name a corpus that holds speech")
    total = sum(shard.frames.sum(axis=0, dtype=np.float64) for shard in shards)
    mean = total / count
    # Around the mean, because the sum of squares of values near 15 would lose digits.
    squares = sum(_squares(shard.frames, mean) for shard in shards)
    return LogMelStatistics(mean, np.sqrt(squares / count))


def write_statistics(path: str | Path, statistics: LogMelStatistics) -> None:
    """Write statistics as JSON {mean, std}."""
    files.write_json(path, {"mean": statistics.mean.tolist(), "std": statistics.std.tolist()})


def read_statistics(path: str | Path) -> LogMelStatistics:
    """Read what `write_statistics` wrote.

    Raises:
        StoreError: the file is absent or no JSON.
    """
    content = files.read_json(path)
    return LogMelStatistics(np.asarray(content["mean"]), np.asarray(content["std"]))


def _squares(frames: np.ndarray, mean: np.ndarray, rows: int = 1 << 16) -> np.ndarray:
    total = np.zeros_like(mean)
    for start in range(0, len(frames), rows):
        total += ((frames[start : start + rows] - mean) ** 2).sum(axis=0)
    return total


def code_as_mp3(waveform: np.ndarray) -> np.ndarray:
    """The waveform after MP3 coding at 24 kbit/s and decoding, in step with the original, float32 [samples]."""
    file = BytesIO()
    soundfile.write(
        file,
        waveform,
        SAMPLING_RATE,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=MP3_LEVEL,
    )
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    # At low rates the coder's delay is not told in the file; it is where the two match best.
    surplus = max(0, len(decoded) - len(waveform))
    match = scipy.signal.correlate(decoded, waveform, mode="full", method="fft")[len(waveform) - 1 :][: surplus + 1]
    delay = int(np.argmax(match))
    return np.pad(decoded[delay:], (0, len(waveform)))[: len(waveform)]
