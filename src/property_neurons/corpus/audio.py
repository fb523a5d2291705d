"""Reading speech: 16 kHz mono, whole, or not at all.

What a container says of its length is held against its bytes before it is decoded (`containers`), and what is decoded
is held against that length; FLAC also against its own MD5 checksum. A flipped bit in the samples of a WAV or SPHERE
file goes unnoticed, and in an MP3 file that neither LAME nor ffmpeg made: these have no checksum.
"""

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from property_neurons.corpus.containers.announced import announced
from property_neurons.corpus.containers.outcome import Announced, UncheckedContainer
from property_neurons.corpus.report import Trouble
from property_neurons.errors import AudioError, printable
from property_neurons.stores.tree import walk

SAMPLE_RATE = 16_000
AUDIO_SUFFIXES = frozenset({".flac", ".wav", ".mp3", ".ogg"})
# One output frame of a HuBERT-type front end needs 400 samples: floor((N - 80) / 320) = 1.
MIN_SAMPLES = 400
# Two hours: no utterance, and as much memory as a job can be asked for.
MAX_SAMPLES = 2 * 3600 * SAMPLE_RATE
# Full scale is 1. Speech clipped to a square wave comes back from MP3 at up to 3.1, from Vorbis at 3.0, from resampling
# at 2.1 (40 LibriSpeech utterances); speech scaled to a standard deviation of 1 peaks at 3.9 to 22, integers at 100 up.
MAX_LEVEL = 4.0

_MAX_BYTES = 2**31
# Samples within one step of 16 bits around a constant are no speech; nor is what was divided by 32768 twice.
_SILENT_SPAN = 2 / 2**15
_BLOCK = 2**20
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
        found = "; ".join(f"{trouble.code}: {trouble.detail}" for trouble in self.troubles)
        return f"{printable(self.path)}: {found}"


def model_frames(n_samples: int) -> int:
    """Frames that a HuBERT-type front end makes of N samples: floor((N - 80) / 320), one every 20 ms."""
    return (n_samples - 80) // 320


def find_audio(directory: str | Path) -> list[Path]:
    """All audio files below `directory`, by extension, sorted; links are followed."""
    return walk(directory).ending(AUDIO_SUFFIXES)


def read_audio(path: str | Path) -> np.ndarray:
    """Decode a 16 kHz mono file in full. Its first bytes tell the container, not its name.

    Returns:
        float32 samples [N]; full scale is 1, and nothing is beyond 4.

    Raises:
        UnusableAudio: absent, not readable, damaged, cut short, of unknown length or a container that is not checked,
            shorter than one frame or longer than two hours, not mono, not 16 kHz, digital silence, or with samples
            that no recording has.
    """
    return _read(Path(path))[1]


def read_any_audio(path: str | Path, *, any_rate: bool, any_channels: bool) -> tuple[np.ndarray, int]:
    """As `read_audio`, of other rates and of more channels where these may be.

    Returns:
        float32 samples [N], or [N, channels] of more than one; and the rate in Hz.

    Raises:
        UnusableAudio: as for `read_audio`.
    """
    allowed = frozenset({"wrong_sample_rate"} if any_rate else ()) | frozenset({"stereo"} if any_channels else ())
    _, samples, rate = _read_with_rate(Path(path), allowed)
    return samples, rate


def inspect_audio(path: str | Path) -> AudioFacts:
    """Decode a file in full: its length and the digest of its bytes.

    Raises:
        UnusableAudio: as for `read_audio`.
    """
    content, samples = _read(Path(path))
    return AudioFacts(len(samples), hashlib.blake2b(content, digest_size=16).hexdigest())


class _Stream(soundfile.SoundFile):
    """A file that is read from its beginning to its end in pieces, whatever length its header announces.

    soundfile would take memory for that length, and seek after each piece.
    """

    def seekable(self) -> bool:
        return False


def _read(path: Path) -> tuple[bytes, np.ndarray]:
    content, samples, _ = _read_with_rate(path)
    return content, samples


def _read_with_rate(path: Path, allowed: frozenset[str] = frozenset()) -> tuple[bytes, np.ndarray, int]:
    """The bytes and the samples of a file, both from one opening, so that they belong together."""
    try:
        _expect_a_file(path)
        with path.open("rb", buffering=0) as stream:
            content = stream.read()
            if not content:
                raise UnusableAudio(path, (_too_short("a file of 0 bytes"),))
            says = announced(content)
            stream.seek(0)
            # By its descriptor: from bytes in memory libsndfile would read by calls of Python, a few bytes each.
            with _Stream(stream.fileno(), closefd=False) as file:
                return content, _whole(path, file, says, allowed), file.samplerate
    except UncheckedContainer as error:
        raise UnusableAudio(path, (error.trouble,)) from None
    except soundfile.SoundFileError as error:
        found = getattr(error, "error_string", error)
        detail = f"expected a decodable file, found none ({found}); {_FETCH_AGAIN}"
        raise _unusable(path, "corrupt_audio", detail) from None
    except (FileNotFoundError, NotADirectoryError):
        detail = f"expected an audio file, found none at {printable(path)}; fetch it, or correct its path"
        raise _unusable(path, "missing_audio", detail) from None
    except OSError as error:
        detail = f"expected a file that can be read, found none ({error.strerror}); check its permissions and its disk"
        raise _unusable(path, "unreadable_audio", detail) from None


def _expect_a_file(path: Path) -> None:
    """A pipe or a device could keep its reader waiting for ever."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        found = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise _unusable(path, "missing_audio", f"expected an audio file, found {found}; put the file there")
    if status.st_size > _MAX_BYTES:
        raise _too_long(path, f"{status.st_size / 1e9:.1f} GB")


def _whole(path: Path, file: soundfile.SoundFile, says: Announced, allowed: frozenset[str]) -> np.ndarray:
    """All samples of a file; of its form, `allowed` are codes that are no trouble."""
    samples = _samples(path, file)
    form = [trouble for trouble in _form(file) if trouble.code not in allowed]
    troubles = [*form, *_cut(file, says, samples)]
    if not any(trouble.code == "corrupt_audio" for trouble in troubles):
        troubles += _level(samples) if len(samples) >= MIN_SAMPLES else [_too_short(f"{len(samples)}")]
    if troubles:
        raise UnusableAudio(path, tuple(troubles))
    if samples.dtype == np.float32:
        return samples
    return samples.astype(np.float32) * np.float32(_one_step(samples))


def _samples(path: Path, file: soundfile.SoundFile) -> np.ndarray:
    # The checksum of FLAC is made over integers. As floats, those of 16 bits are the same numbers / 2^15.
    dtype = "int16" if file.subtype == "PCM_16" else "int32" if file.format == "FLAC" else "float32"
    blocks, found = [], 0
    while len(block := file.read(min(_BLOCK, file.frames), dtype=dtype)):
        blocks.append(block)
        found += len(block)
        if found > MAX_SAMPLES * max(1.0, file.samplerate / SAMPLE_RATE):
            raise _too_long(path, f"more than {found / file.samplerate / 60:.0f} minutes")
        if found == file.frames:
            break
    if not blocks:
        return np.zeros(0, np.float32)
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _form(file: soundfile.SoundFile) -> list[Trouble]:
    troubles = []
    if file.channels != 1:
        detail = f"expected 1 channel, found {file.channels}; mix it down, or write `audio: {{channels: mix}}`"
        troubles.append(Trouble("stereo", detail))
    if file.samplerate != SAMPLE_RATE:
        found = f"expected {SAMPLE_RATE} Hz, found {file.samplerate} Hz"
        detail = f"{found}; resample it, or write `audio: {{resample: true}}`"
        troubles.append(Trouble("wrong_sample_rate", detail))
    return troubles


def _cut(file: soundfile.SoundFile, says: Announced, samples: np.ndarray) -> list[Trouble]:
    """Damage that the decoder did not report: a missing or altered part of the file."""
    # Of a FLAC file of unknown length, with a checksum, the checksum alone speaks.
    expected = says.n_samples if says.n_samples is not None or says.md5 else file.frames
    if expected is not None and len(samples) != expected:
        found = f"expected the {expected} samples its header announces, found {len(samples)}"
    elif says.md5 is not None and _md5(file, samples) != says.md5:
        found = "expected samples that match the MD5 checksum in its header, found others"
    else:
        return []
    return [Trouble("corrupt_audio", f"{found}; {_FETCH_AGAIN}")]


def _md5(file: soundfile.SoundFile, samples: np.ndarray) -> bytes:
    """The checksum that FLAC makes of its samples: little-endian, in as many bytes as each of them needs."""
    width = {"PCM_S8": 1, "PCM_16": 2, "PCM_24": 3}[file.subtype]
    unused = samples.itemsize - width
    # libsndfile aligns what it widens to 32 bits with the upper end.
    raw = samples.astype(samples.dtype.newbyteorder("<"), copy=False).view(np.uint8).reshape(-1, samples.itemsize)
    return hashlib.md5(np.ascontiguousarray(raw[:, unused:])).digest()


def _level(samples: np.ndarray) -> list[Trouble]:
    """Refuse samples that no recording has: not numbers, on another scale, or all the same."""
    step = _one_step(samples)
    low, high = float(samples.min()) * step, float(samples.max()) * step
    if not (np.isfinite(low) and np.isfinite(high)):
        found = "expected finite samples, found NaN or infinite ones; make the file again"
    elif max(-low, high) > MAX_LEVEL:
        found = (
            f"expected samples from -1 to 1 (up to {MAX_LEVEL:g} after lossy coding), found {low:.6g} to {high:.6g}; "
            "divide integers that were saved as floats by 2^15 (of 16 bits) or 2^31 (of 32), leave damaged files out"
        )
    elif high - low <= _SILENT_SPAN:
        what = "digital silence" if low == high else "next to nothing"
        found = (
            f"expected speech, found {what} ({low:.6g} to {high:.6g}); fetch the recording or leave it out (were its "
            "samples divided twice, or by 2^31 instead of 2^15?)"
        )
        return [Trouble("silent_audio", found)]
    else:
        return []
    return [Trouble("impossible_samples", found)]


def _one_step(samples: np.ndarray) -> float:
    return 1.0 if samples.dtype.kind == "f" else 2.0 ** (1 - 8 * samples.itemsize)


def _unusable(path: Path, code: str, detail: str) -> UnusableAudio:
    return UnusableAudio(path, (Trouble(code, detail),))


def _too_short(found: str) -> Trouble:
    return Trouble("too_short", f"expected at least {MIN_SAMPLES} samples (one frame), found {found}; leave it out")


def _too_long(path: Path, found: str) -> UnusableAudio:
    detail = f"expected an utterance of at most two hours, found {found}; divide it into utterances"
    return _unusable(path, "too_long", detail)
