"""Sounds and spectrograms of the pages: MP3 at about 24 kbit/s, and WebP of log-Mel frames."""

import io
from pathlib import Path

import numpy as np
import soundfile

from property_neurons.corpus.audio import SAMPLE_RATE
from property_neurons.models.log_mel import WINDOW, log_mel

# At this rate libsndfile's MP3 has no header that tells a player how many samples the encoder put before the sound.
MP3_DELAY = 1105 / SAMPLE_RATE
"""Seconds of silence before the sound in each file."""
BYTES_PER_SECOND = 3050
"""Of MP3, as measured on read speech."""
IMAGE_BYTES_PER_SECOND = 600
"""Of WebP, as measured on read speech."""
CLIP_SECONDS = 0.6
"""Length of a clip; the frame that it shows is in its middle."""
_LEVEL = 0.9
_BANDS = 48
_COLUMNS_PER_SECOND = 100
# The widest WebP.
_MOST_COLUMNS = 16_000
_RANGE = 12.0


def mp3(waveform: np.ndarray) -> bytes:
    """A waveform as MP3, the same bytes for the same samples: float32 [samples], 16 kHz."""
    file = io.BytesIO()
    soundfile.write(
        file,
        np.clip(waveform, -1, 1),
        SAMPLE_RATE,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=_LEVEL,
        bitrate_mode="CONSTANT",
    )
    return file.getvalue()


def clip(waveform: np.ndarray, time: float) -> np.ndarray:
    """`CLIP_SECONDS` around a moment (seconds); silence where there is no speech: float32 [samples]."""
    n = round(CLIP_SECONDS * SAMPLE_RATE)
    first = round(time * SAMPLE_RATE) - n // 2
    piece = np.zeros(n, np.float32)
    start, end = max(first, 0), min(first + n, len(waveform))
    if start < end:
        piece[start - first : end - first] = waveform[start:end]
    return piece


def spectrogram(path: str | Path, waveform: np.ndarray) -> None:
    """Write the log-Mel spectrogram of an utterance as a WebP image, low bands below, loud dark.

    One column is 10 ms (longer where an utterance would be wider than WebP allows), the image as long as the speech.
    """
    # Slow to import, and not needed by whoever makes no pages.
    from PIL import Image

    padded = np.pad(waveform, (WINDOW // 2, WINDOW // 2))
    frames = log_mel(padded, _BANDS)
    loudest = frames.max()
    shade = np.clip((loudest - frames) / _RANGE, 0, 1) * 255
    columns = max(1, min(round(len(waveform) / SAMPLE_RATE * _COLUMNS_PER_SECOND), _MOST_COLUMNS))
    image = Image.fromarray(shade.T[::-1].astype(np.uint8), "L").resize((columns, _BANDS), Image.Resampling.BILINEAR)
    image.convert("RGB").save(path, "WEBP", quality=40, method=4)
