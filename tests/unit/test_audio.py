"""Reading audio: exact where it is whole, an error with the right code where it is not."""

import hashlib
import os
import pickle
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from property_neurons.corpus import audio
from property_neurons.corpus.audio import (
    UnusableAudio,
    find_audio,
    inspect_audio,
    model_frames,
    read_audio,
)

SUFFIXES = ("flac", "wav", "ogg", "mp3")


def speech_like(n_samples: int = 32_000) -> np.ndarray:
    """Noise with a slow envelope, float32 [n_samples]."""
    noise = np.random.default_rng(0).standard_normal(n_samples)
    return (0.1 * noise * (1.2 + np.sin(np.arange(n_samples) / 900))).astype(np.float32)


def write(path, samples=None, rate=16_000):
    soundfile.write(path, speech_like() if samples is None else samples, rate)
    return path


def codes(path) -> list[str]:
    with pytest.raises(UnusableAudio) as caught:
        inspect_audio(path)
    return [trouble.code for trouble in caught.value.troubles]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_reads_whole_files(tmp_path, suffix):
    path = write(tmp_path / f"a.{suffix}")
    samples = read_audio(path)
    assert samples.dtype == np.float32
    facts = inspect_audio(path)
    assert facts.n_samples == len(samples) == 32_000
    assert facts.digest == hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def test_samples_of_16_bits_are_exact(tmp_path):
    path = write(tmp_path / "a.wav")
    with wave.open(str(path)) as file:
        integers = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    np.testing.assert_array_equal(read_audio(path), integers / 32_768)
    flac = tmp_path / "a.flac"
    soundfile.write(flac, integers, 16_000)
    np.testing.assert_array_equal(read_audio(flac), integers / 32_768)


def test_24_bit_flac_is_read(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, speech_like(), 16_000, subtype="PCM_24")
    np.testing.assert_allclose(read_audio(path), speech_like(), atol=2**-23)


# -- samples that no recording has


def floats(path, samples, subtype="FLOAT"):
    soundfile.write(path, samples, 16_000, subtype=subtype)
    return path


def with_sample(value):
    samples = speech_like().astype(np.float64)
    samples[17_000] = value
    return samples


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize(
    ("samples", "found"),
    [
        (np.round(speech_like() * 2**15), r"found -\d+ to \d+; divide integers .* by 2\^15"),
        (np.round(speech_like() * 2**7), "divide integers"),
        (np.round(speech_like() * 2.0**31), "divide integers"),
        (speech_like() / speech_like().std() + 1, "divide integers"),
        (with_sample(1e30), r"to 1e\+30"),
        (with_sample(-4.01), r"found -4\.01"),
        (with_sample(np.nan), "found NaN or infinite"),
        (with_sample(np.inf), "found NaN or infinite"),
        (with_sample(-np.inf), "found NaN or infinite"),
    ],
)
def test_floats_that_no_recording_holds_are_refused(tmp_path, subtype, samples, found):
    path = floats(tmp_path / "a.wav", samples, subtype)
    with pytest.raises(UnusableAudio, match=f"impossible_samples: .*{found}"):
        read_audio(path)


@pytest.mark.parametrize("level", [1.4, 3.9])
def test_floats_above_full_scale_are_kept(tmp_path, level):
    """As decoding MP3 and resampling give them."""
    samples = speech_like() * np.float32(level / np.abs(speech_like()).max())
    np.testing.assert_array_equal(read_audio(floats(tmp_path / "a.wav", samples)), samples)


def test_clipped_speech_is_kept(tmp_path):
    clipped = np.clip(speech_like() * 20, -1, 1)
    samples = read_audio(write(tmp_path / "a.flac", clipped))
    assert (samples.min(), samples.max()) == (-1, np.float32(1 - 2**-15))


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(32_000),
        np.full(32_000, 0.25),
        speech_like() / 2.0**15,
        np.arange(32_000) % 2 / 2**15,
    ],
    ids=["zeros", "a constant", "divided by 2^15 twice", "one bit"],
)
def test_digital_silence_is_no_speech(tmp_path, samples):
    assert codes(floats(tmp_path / "a.wav", samples)) == ["silent_audio"]
    assert codes(write(tmp_path / "a.flac", samples)) == ["silent_audio"]


def test_very_quiet_speech_is_kept(tmp_path):
    quiet = speech_like() / 2**11
    assert len(read_audio(write(tmp_path / "a.flac", quiet))) == 32_000


# -- files that cannot be read


@pytest.fixture
def nothing_is_opened(monkeypatch):
    monkeypatch.setattr(Path, "open", lambda *_, **__: pytest.fail("it would wait for ever"))


def test_folders_pipes_and_devices_are_no_audio(tmp_path, nothing_is_opened):
    (tmp_path / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "device.wav").symlink_to("/dev/zero")
    (tmp_path / "nowhere.wav").symlink_to(tmp_path / "gone.wav")
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    for name in ("folder", "pipe", "device", "nowhere"):
        assert codes(tmp_path / f"{name}.wav") == ["missing_audio"]
    assert codes(tmp_path / "loop.wav") == ["unreadable_audio"]
    assert codes(tmp_path / "folder.wav" / "a.wav") == ["missing_audio"]


@pytest.mark.parametrize("step", ["stat", "open"])
@pytest.mark.parametrize(
    ("error", "code", "found"),
    [
        (PermissionError(13, "Permission denied"), "unreadable_audio", "Permission denied"),
        (OSError(5, "Input/output error"), "unreadable_audio", "Input/output error"),
        (FileNotFoundError(2, "No such file"), "missing_audio", "found none"),
    ],
)
def test_what_the_system_refuses_is_a_trouble_of_the_file(tmp_path, monkeypatch, step, error, code, found):
    """A file may also vanish, or its disk fail, between two looks at it."""
    path = write(tmp_path / "a.wav")

    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr(Path, step, refuse)
    with pytest.raises(UnusableAudio, match=f"{code}: .*{found}"):
        inspect_audio(path)


def test_what_is_too_long_is_refused_before_it_is_all_in_memory(tmp_path, monkeypatch):
    path = write(tmp_path / "a.flac")
    monkeypatch.setattr(audio, "MAX_SAMPLES", 30_000)
    monkeypatch.setattr(audio, "_BLOCK", 1000)
    assert codes(path) == ["too_long"]
    monkeypatch.setattr(audio, "MAX_SAMPLES", 32_000)
    assert len(read_audio(path)) == 32_000
    # Two hours, whatever the rate.
    fast = tmp_path / "fast.wav"
    soundfile.write(fast, np.random.default_rng(0).uniform(-0.3, 0.3, 60_000), 32_000)
    assert codes(fast) == ["wrong_sample_rate"]
    monkeypatch.setattr(audio, "MAX_SAMPLES", 29_000)
    assert codes(fast) == ["too_long"]
    monkeypatch.setattr(audio, "_MAX_BYTES", 10_000)
    assert codes(path) == ["too_long"]


def test_names_are_printed_without_what_moves_a_cursor(tmp_path):
    with pytest.raises(UnusableAudio) as caught:
        read_audio(tmp_path / "\x1b[2J.wav")
    assert "\\x1b[2J.wav" in str(caught.value)
    assert "\x1b" not in str(caught.value)


# -- form


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_something_else_is_corrupt(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"<html>not found</html>" * 40)
    assert codes(path) == ["corrupt_audio"]


def test_form_and_length(tmp_path):
    mono = speech_like()
    assert codes(write(tmp_path / "stereo.flac", np.column_stack([mono, mono]))) == ["stereo"]
    assert codes(write(tmp_path / "rate.flac", mono, 22_050)) == ["wrong_sample_rate"]
    both = write(tmp_path / "both.wav", np.column_stack([mono, mono]), 8_000)
    assert codes(both) == ["stereo", "wrong_sample_rate"]
    assert codes(write(tmp_path / "empty.wav", mono[:0])) == ["too_short"]
    (tmp_path / "empty.flac").touch()
    assert codes(tmp_path / "empty.flac") == ["too_short"]
    assert codes(write(tmp_path / "short.flac", mono[:399])) == ["too_short"]
    assert codes(tmp_path / "absent.flac") == ["missing_audio"]
    assert inspect_audio(write(tmp_path / "just.flac", mono[:400])).n_samples == 400


def test_model_frames_are_those_of_the_convolutions():
    for n_samples in [400, 719, 720, 16_000, 31_999, 32_000, 245_361]:
        length = n_samples
        for kernel, stride in zip([10, 3, 3, 3, 3, 2, 2], [5, 2, 2, 2, 2, 2, 2], strict=True):
            length = (length - kernel) // stride + 1
        assert model_frames(n_samples) == length


def test_find_audio_goes_by_suffix_in_any_case(tmp_path):
    for name in ["b/x.FLAC", "a/y.mp3", "a/y.txt", "a/z.trans.txt", "c.ogg"]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert [path.name for path in find_audio(tmp_path)] == ["y.mp3", "x.FLAC", "c.ogg"]


def test_the_error_survives_a_process_boundary(tmp_path):
    with pytest.raises(UnusableAudio) as caught:
        read_audio(tmp_path / "absent.flac")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.troubles) == (str(caught.value), caught.value.troubles)
    assert "absent.flac" in str(copy)
