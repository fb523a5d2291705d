"""Tracks of frames against closed forms, plain loops and signals whose numbers are known."""

import numpy as np
import pandas as pd
import parselmouth
import pytest
import soundfile
from scipy.signal import lfilter
from synthetic_stores import make_corpus, shard_of, write_frames

from property_neurons.corpus import measure_track
from property_neurons.corpus.frame_values import FrameFiles, open_frame_files
from property_neurons.corpus.measure_track import (
    energy,
    formant,
    frame_power,
    harmonics_to_noise,
    phones_per_second,
    signal_to_noise,
    slope,
    write_track,
)
from property_neurons.corpus.tracks import TRACKS
from property_neurons.errors import AudioError, CorpusError

TIME = np.arange(16_000) / 16_000
RNG = np.random.default_rng(0)


def test_energy_of_a_tone_is_that_of_its_amplitude():
    tone = 0.1 * np.sin(2 * np.pi * 400 * TIME)
    assert energy(tone, 50) == pytest.approx(20 * np.log10(0.1) + 10 * np.log10(0.5))
    # Past the end of the audio there is nothing.
    assert energy(tone, 52)[-1] == pytest.approx(-90.3, abs=0.1)
    assert frame_power(tone, 50)[7] == pytest.approx(np.mean(tone[2240:2560] ** 2))


def test_signal_to_noise_of_a_known_mixture():
    power = np.array([1.0] * 10 + [0.01] * 10)
    assert signal_to_noise(power, np.arange(20) < 10) == pytest.approx(10 * np.log10(0.99 / 0.01))
    assert np.isnan(signal_to_noise(power, np.arange(20) < 16))
    assert np.isnan(signal_to_noise(power, np.arange(20) >= 10))


def test_the_slope_of_a_glide_is_its_semitones_per_second():
    f0 = 100 * 2 ** (np.arange(20) * 0.02 * 3 / 12)
    f0[12] = np.nan
    found = slope(f0)
    assert found[2:10] == pytest.approx(3)
    assert np.isnan(found[[0, 1, 10, 14, 18]]).all()


def test_phones_per_second_by_a_plain_loop():
    middles = np.sort(RNG.uniform(0, 4, 40))
    speech = RNG.random(200) < 0.8
    for frame, found in enumerate(phones_per_second(middles, speech)):
        near = [other for other in range(200) if abs(other - frame) <= 25]
        spoken = sum(0.02 for other in near if speech[other])
        assert found == pytest.approx(sum(abs(one - (frame + 0.5) * 0.02) <= 0.5 for one in middles) / spoken)


def test_formants_of_a_vowel_are_the_resonances_it_was_made_with():
    """120 Hz through resonances of 60 and 90 Hz width; the numbers are those of Praat itself."""
    source = (np.arange(16_000) % 133 == 0).astype(float)
    for hertz, width in ((700, 60), (1200, 90), (2500, 120), (3500, 150), (4500, 200)):
        radius, angle = np.exp(-np.pi * width / 16_000), 2 * np.pi * hertz / 16_000
        source = lfilter([1], [1, -2 * radius * np.cos(angle), radius**2], source)
    waveform = 0.5 * source / np.abs(source).max()
    times = np.array([0.31, 0.51, 0.71])
    first, second = (formant(waveform, number, 5500, times) for number in (1, 2))
    assert first == pytest.approx(700, rel=0.08)
    assert second == pytest.approx(1200, rel=0.08)
    praat = parselmouth.praat.call(parselmouth.Sound(waveform, 16_000), "To Formant (burg)", 0.01, 5, 5500, 0.025, 50)
    assert [parselmouth.praat.call(praat, "Get value at time", 1, time, "hertz", "linear") for time in times] == (
        pytest.approx(first.tolist())
    )


def test_harmonics_to_noise_is_the_level_of_a_tone_above_noise():
    tone = np.sin(2 * np.pi * 150 * TIME) * np.sqrt(2)
    noisy = 0.1 * (tone + 0.1 * RNG.normal(size=16_000))
    times = (np.arange(10, 40) + 0.5) * 0.02
    assert np.median(harmonics_to_noise(noisy, times)) == pytest.approx(20, abs=1.5)
    praat = parselmouth.praat.call(parselmouth.Sound(noisy, 16_000), "To Harmonicity (cc)", 0.01, 75, 0.1, 1.0)
    theirs = [parselmouth.praat.call(praat, "Get value at time", time, "linear") for time in times]
    assert harmonics_to_noise(noisy, times) == pytest.approx(theirs)
    assert np.median(harmonics_to_noise(0.1 * RNG.normal(size=16_000), times)) < 0
    assert np.isnan(harmonics_to_noise(np.append(tone, np.zeros(16_000)), times + 1.2)).all()


def test_harmonics_to_noise_beside_silence_is_a_level_that_praat_measured_or_none():
    """Praat's -200 dB for no period must not enter the values of the frames beside it."""
    tone = np.sin(2 * np.pi * 150 * TIME) + 0.05 * RNG.normal(size=16_000)
    tone[6000:10_000] = tone[13_000:] = 0
    praat = parselmouth.Sound(tone, 16_000).to_harmonicity_cc(time_step=0.01, minimum_pitch=75.0)
    measured = praat.values[0][praat.values[0] > -200]
    found = harmonics_to_noise(tone, (np.arange(50) + 0.5) * 0.02)
    assert 0 < len(measured) < len(praat.values[0])
    assert measured.min() <= np.nanmin(found) <= np.nanmax(found) <= measured.max()
    for frame, value in enumerate(found):
        around = np.abs(praat.xs() - (frame + 0.5) * 0.02) < 0.01
        assert np.isnan(value) == (around.sum() < 2 or (praat.values[0][around] == -200).any()), frame


@pytest.mark.parametrize("n_samples", [400, 426, 427])
def test_a_waveform_too_short_for_praat_has_no_harmonics_to_noise(n_samples):
    assert np.isnan(harmonics_to_noise(RNG.normal(size=n_samples), np.array([0.01]))).all()


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    """A frame store with audio beside it."""
    folder = tmp_path_factory.mktemp("shard")
    corpus = make_corpus(seed=4, n_utterances=3)
    write_frames(folder / "f.zarr", corpus)
    rows = []
    for utterance in corpus:
        n = max(640, 320 * len(utterance.frames) + 37)
        soundfile.write(folder / f"{utterance.name}.wav", 0.1 * RNG.normal(size=n), 16_000)
        rows.append((utterance.name, f"{utterance.name}.wav", n, ""))
    return folder, pd.DataFrame(rows, columns=["utterance", "audio", "n_samples", "audio_digest"])


@pytest.mark.parametrize("track", TRACKS)
def test_every_track_gives_each_frame_a_number_or_none(shard, tmp_path, track):
    folder, rows = shard
    write_track(tmp_path / "v.zarr", track=track, frame_store=folder / "f.zarr", shard_list=rows, root=folder)
    frames = open_frame_files(FrameFiles(folder / "f.zarr", tmp_path / "v.zarr"))
    assert frames.values.number.shape == frames.label.shape
    assert not np.isinf(frames.values.number).any()
    if track == "energy":
        waveform, _ = soundfile.read(folder / rows["audio"][1])
        first, last = frames.offset[1:3]
        assert frames.values.number[first:last] == pytest.approx(energy(waveform, last - first), abs=0.01)


def test_position_runs_from_the_first_phone_to_the_last():
    frames = shard_of([(0, 40, "SIL"), (40, 80, "AA"), (80, 100, "SIL"), (100, 140, "T"), (140, 200, "SIL")])
    found = measure_track._position(frames, 0)
    assert found[2:7] == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    assert np.isnan(found[[0, 1, 7, 8, 9]]).all()


def test_audio_of_another_length_and_a_corpus_without_f0_are_refused(shard, tmp_path):
    folder, rows = shard
    with pytest.raises(AudioError, match="expected 1 samples"):
        write_track(
            tmp_path / "v.zarr",
            track="energy",
            frame_store=folder / "f.zarr",
            shard_list=rows.assign(n_samples=1),
            root=folder,
        )
    bare = write_frames(tmp_path / "f.zarr", make_corpus(seed=1, n_utterances=2), pitch="none")
    with pytest.raises(CorpusError, match=r"expected F0 to take the slope of, found none; choose pitch\.method"):
        write_track(tmp_path / "v.zarr", track="f0_slope", frame_store=bare, shard_list=rows, root=folder)
