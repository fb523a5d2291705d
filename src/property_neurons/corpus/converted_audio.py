"""Conversion of recordings at other rates, or with more channels, to what models read: 16 kHz, mono.

Every recording of the corpus gets a copy, 16-bit FLAC, and everything that follows reads the copies. The copy of a
recording that already is 16 kHz, mono and 16-bit holds the same samples.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile

from property_neurons.corpus.audio import SAMPLE_RATE, AudioFacts, inspect_audio, read_any_audio
from property_neurons.corpus.report import Trouble
from property_neurons.stores.files import new_folder

_KAISER_BEST = {
    "lowpass_filter_width": 64,
    "rolloff": 0.9475937167399596,
    "resampling_method": "sinc_interp_kaiser",
    "beta": 14.769656459379492,
}


@dataclass(frozen=True)
class Conversion:
    """What may be converted, and where the copies go.

    folder: for the copies, under the paths of the recordings with .flac after them.
    below: the path of that folder below the root of the copies.
    resample: to 16 kHz, by torchaudio's windowed sinc interpolation with the settings that its documentation gives for
        librosa's `kaiser_best`: 64 zero crossings, cutoff at 0.95 of the lower Nyquist frequency.
    channels: "mix" (their mean), "first", or None where more than one is a trouble.
    """

    folder: Path
    below: str
    resample: bool
    channels: Literal["mix", "first"] | None

    def convert(self, root: Path, audio: str) -> tuple[AudioFacts, str, list[Trouble]]:
        """Write the copy of one recording.

        Returns:
            the facts of the copy, its path below the root of the copies, and a line for the report about what was done.

        Raises:
            UnusableAudio: as for `audio.read_audio`, but for the rate and the channels that may be converted.
        """
        # A path that is absolute, or leaves its folder, stays within this one, apart from one that was there before.
        parts = Path(audio).parts
        kept = [part for part in parts if part not in ("/", "..")]
        apart = f"-{zlib.crc32(audio.encode()):08x}" if len(kept) < len(parts) else ""
        name = f"{'/'.join(kept)}{apart}.flac"
        copy = self.folder / name
        samples, rate = read_any_audio(root / audio, any_rate=self.resample, any_channels=self.channels is not None)
        done = []
        if samples.ndim > 1:
            said = "the mean of all" if self.channels == "mix" else "the first"
            done.append(Trouble("channels_mixed", f"expected 1 channel, found {samples.shape[1]}; took {said}"))
            samples = samples.mean(axis=1) if self.channels == "mix" else samples[:, 0]
        if rate != SAMPLE_RATE:
            done.append(Trouble("resampled", f"expected {SAMPLE_RATE} Hz, found {rate} Hz; resampled by torchaudio"))
            samples = _resampled(samples, rate)
        copy.parent.mkdir(parents=True, exist_ok=True)
        whole = np.rint(np.clip(samples * 2**15, -(2**15), 2**15 - 1)).astype(np.int16)
        soundfile.write(copy, whole, SAMPLE_RATE, subtype="PCM_16")
        return inspect_audio(copy), f"{self.below}/{name}", done


@contextmanager
def audio_copies(folders: Sequence[str], below: str, settings: Mapping[str, Any] | None) -> Iterator[Conversion | None]:
    """A conversion into a folder that appears when all copies are complete; None where nothing is to be converted.

    Args:
        folders: that folder, or none.
        below: its path below the root of the copies.
        settings: {resample, channels}, or None.
    """
    if not folders:
        yield None
        return
    with new_folder(folders[0], replace=True) as temporary:
        yield Conversion(temporary, below, **settings)


def _resampled(samples: np.ndarray, rate: int) -> np.ndarray:
    # Slow to import, and for such corpora alone.
    import torch
    from torchaudio.functional import resample

    waveform = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
    return resample(waveform, rate, SAMPLE_RATE, **_KAISER_BEST).numpy()
