"""Log-Mel frames of a shard's utterances, made once and read at random by training.

They lie in plain arrays that are mapped into memory, so that a crop costs no decoding and a corpus of any size no
memory: 4 bytes x 40 bins x 100 frames = 16 kB per second of audio, 55 GB for 960 hours.
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile

from property_neurons.corpus.recordings import Recording, decode
from property_neurons.errors import ModelError
from property_neurons.models.log_mel import SAMPLING_RATE, log_mel, n_log_mel_frames
from property_neurons.pretraining.log_mel_store import FRAMES
from property_neurons.progress import progress
from property_neurons.stores import files, manifests

MP3_LEVEL = 0.9
"""libsndfile's compression level for a constant 24 kbit/s at 16 kHz, which leaves nothing above 6 kHz."""


def write_log_mel(
    folder: str | Path,
    manifest: str | Path,
    recordings: Sequence[Recording],
    speakers: Sequence[str],
    *,
    num_mel_bins: int = 40,
    coded: bool = False,
) -> None:
    """Write the log-Mel frames of some utterances, whole or not at all.

    Args:
        folder, manifest: where to; the manifest describes every file.
        speakers: of each recording.
        coded: take the audio after MP3 coding at 24 kbit/s; frames are as many.

    Raises:
        AudioError, ModelError: an utterance cannot be decoded or is too short; the message names it.
    """
    offset = np.cumsum([0, *(n_log_mel_frames(recording.n_samples) for recording in recordings)])
    shape = (int(offset[-1]), num_mel_bins)
    with manifests.new_described_folder(folder, manifest) as temporary:
        frames = np.zeros(shape, np.float32)
        bar = progress(decode(recordings), total=len(recordings), what="log-Mel", unit="utterance")
        for index, waveform in enumerate(bar):
            place = slice(offset[index], offset[index + 1])
            try:
                frames[place] = log_mel(code_as_mp3(waveform) if coded else waveform, num_mel_bins)
            except ModelError as error:
                raise ModelError(f"utterance {recordings[index].utterance}: {error}") from None
        np.save(temporary / "offset.npy", offset.astype(np.int64))
        np.save(temporary / FRAMES, frames)
        files.write_json(temporary / "utterances.json", [recording.utterance for recording in recordings])
        files.write_json(temporary / "speakers.json", list(speakers))


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
