"""Reading audio: exact where it is whole, an error with the right code where it is not."""

import hashlib
import pickle
import wave

import numpy as np
import pytest
import soundfile

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


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.99, 0.5])
def test_truncated_files_are_found(tmp_path, suffix, share):
    content = write(tmp_path / f"whole.{suffix}").read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(content[: int(len(content) * share)])
    assert codes(cut) == ["corrupt_audio"]


@pytest.mark.parametrize("suffix", ["flac", "ogg"])
def test_flipped_bits_are_found_where_the_format_has_checksums(tmp_path, suffix):
    content = write(tmp_path / f"whole.{suffix}").read_bytes()
    path = tmp_path / f"flipped.{suffix}"
    # From the second quarter on, where samples lie in both formats.
    for position in np.random.default_rng(1).integers(len(content) // 4, len(content), size=20):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        path.write_bytes(bytes(damaged))
        assert codes(path) == ["corrupt_audio"], position


def test_flac_with_a_frame_left_out_is_found(tmp_path):
    content = write(tmp_path / "whole.flac").read_bytes()
    frames = [i for i in range(len(content) - 1) if content[i] == 0xFF and content[i + 1] in (0xF8, 0xF9)]
    path = tmp_path / "short.flac"
    path.write_bytes(content[: frames[3]] + content[frames[4] :])
    assert codes(path) == ["corrupt_audio"]


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
