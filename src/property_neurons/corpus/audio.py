"""Reading speech: 16 kHz mono, whole, or not at all.

What libsndfile 1.2 leaves unsaid is checked here. It fails on a damaged FLAC file unless whole frames are
gone, which it fills in silently; it shortens a truncated WAV or OGG file without a word; it gives fewer
samples than announced for a truncated MP3 or a damaged OGG file. An MP3 file has no checksum: a flipped
bit in it goes unnoticed, and a truncated one without a length header shows only against its alignment.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from property_neurons.corpus.report import Trouble
from property_neurons.errors import AudioError
from property_neurons.stores.tree import walk

SAMPLE_RATE = 16_000
AUDIO_SUFFIXES = frozenset({".flac", ".wav", ".mp3", ".ogg"})
# One output frame of a HuBERT-type front end needs 400 samples: floor((N - 80) / 320) = 1.
MIN_SAMPLES = 400

_FLAC_MD5 = slice(26, 42)
# What libsndfile notes in its log, and nowhere else, about WAV and OGG files of which a part is missing.
_PART_MISSING = re.compile(
    "|".join(
        [
            r"data : \d+ \(should be \d+\)",
            r"Last page lacks an end-of-stream bit",
            r"Junk after the last page",
            r"libogg reports a hole",
        ]
    )
)
_FETCH_AGAIN = "fetch or make the file again"


@dataclass(frozen=True)
class AudioFacts:
    """What the corpus remembers of an audio file: its samples, and the blake2b-16 digest (hex) of its bytes."""

    n_samples: int
    digest: str


class UnusableAudio(AudioError):
    """An audio file is not whole 16 kHz mono speech; `troubles` lists everything that is wrong with it."""

    def __init__(self, path: Path, troubles: tuple[Trouble, ...]) -> None:
        super().__init__(path, troubles)
        self.path = path
        self.troubles = troubles

    def __str__(self) -> str:
        return f"{self.path}: " + "; ".join(f"{trouble.code}: {trouble.detail}" for trouble in self.troubles)


def model_frames(n_samples: int) -> int:
    """Frames that a HuBERT-type front end makes of N samples: floor((N - 80) / 320), one every 20 ms."""
    return (n_samples - 80) // 320


def find_audio(directory: str | Path) -> list[Path]:
    """All audio files below `directory`, by extension, sorted; links are followed."""
    return walk(directory).ending(AUDIO_SUFFIXES)


def read_audio(path: str | Path) -> np.ndarray:
    """Decode a 16 kHz mono file in full.

    Returns:
        float32 samples [N] in [-1, 1].

    Raises:
        UnusableAudio: absent, damaged, cut short, shorter than one frame, not mono, or not 16 kHz.
    """
    path = Path(path)
    if not path.is_file():
        raise UnusableAudio(path, (Trouble("missing_audio", "expected an audio file, found none; fetch it"),))
    if not path.stat().st_size:
        raise UnusableAudio(path, (_too_short("a file of 0 bytes"),))
    try:
        with soundfile.SoundFile(path) as file:
            # 16-bit samples are what a FLAC checksum is made over; as floats they are the same numbers / 2^15.
            samples = file.read(dtype="int16" if file.subtype == "PCM_16" else "float32")
            troubles = [*_form(file), *_cut(path, file, samples)]
    except (soundfile.SoundFileError, OSError) as error:
        detail = f"expected a decodable file, found none ({error}); {_FETCH_AGAIN}"
        raise UnusableAudio(path, (Trouble("corrupt_audio", detail),)) from None
    if len(samples) < MIN_SAMPLES and not any(trouble.code == "corrupt_audio" for trouble in troubles):
        troubles.append(_too_short(f"{len(samples)}"))
    if troubles:
        raise UnusableAudio(path, tuple(troubles))
    return samples if samples.dtype == np.float32 else samples.astype(np.float32) / np.float32(2**15)


def inspect_audio(path: str | Path) -> AudioFacts:
    """Decode a file in full and tell its length and the digest of its bytes.

    Raises:
        UnusableAudio: as for `read_audio`.
    """
    n_samples = len(read_audio(path))
    with Path(path).open("rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    return AudioFacts(n_samples, digest)


def _too_short(found: str) -> Trouble:
    return Trouble("too_short", f"expected at least {MIN_SAMPLES} samples (one frame), found {found}; leave it out")


def _form(file: soundfile.SoundFile) -> list[Trouble]:
    troubles = []
    if file.channels != 1:
        troubles.append(Trouble("stereo", f"expected 1 channel, found {file.channels}; mix it down to mono"))
    if file.samplerate != SAMPLE_RATE:
        detail = f"expected {SAMPLE_RATE} Hz, found {file.samplerate} Hz; resample it"
        troubles.append(Trouble("wrong_sample_rate", detail))
    return troubles


def _cut(path: Path, file: soundfile.SoundFile, samples: np.ndarray) -> list[Trouble]:
    """What decoding went through without complaint although part of the file is missing or altered."""
    if len(samples) != file.frames:
        found = f"expected the {file.frames} samples its header announces, found {len(samples)}"
    elif file.format == "FLAC" and not _matches_checksum(path, samples):
        found = "expected samples that match the MD5 checksum in its header, found others"
    elif (note := _PART_MISSING.search(file.extra_info)) is not None:
        found = f"expected a whole file, found one of which libsndfile notes {note[0]!r}"
    else:
        return []
    return [Trouble("corrupt_audio", f"{found}; {_FETCH_AGAIN}")]


def _matches_checksum(path: Path, samples: np.ndarray) -> bool:
    with path.open("rb") as stream:
        head = stream.read(_FLAC_MD5.stop)
    checksum = head[_FLAC_MD5]
    checkable = head.startswith(b"fLaC") and any(checksum) and samples.dtype == np.int16
    return not checkable or hashlib.md5(samples.astype("<i2").tobytes()).digest() == checksum
