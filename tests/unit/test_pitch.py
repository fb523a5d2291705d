"""F0 tracks: frame layout, timing against signals of known F0, and clips in which there is nothing to track."""

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest

from property_neurons.corpus.pitch import SAMPLE_RATE, estimate_f0, frame_count
from property_neurons.errors import AudioError, ConfigError, CorpusError

# librosa compiles pyin anew in every process, which takes 20 s.
PYIN = pytest.param("pyin", marks=pytest.mark.slow)
METHODS = ("yaapt", "praat", PYIN)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def voice(f0: np.ndarray) -> np.ndarray:
    """A vowel with formants at 500 and 1500 Hz, for an F0 contour in Hz, one value per sample.

    Formants matter: of a sum of harmonics without them YAAPT takes half the F0.
    """
    phase = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE
    tone = np.zeros(len(f0))
    for k in range(1, 21):
        gain = 1 / (1 + ((k * f0 - 500) / 100) ** 2) + 1 / (1 + ((k * f0 - 1500) / 150) ** 2)
        tone += gain * np.sin(k * phase) / math.sqrt(k)
    noise = np.random.default_rng(0).normal(0, 0.002, len(f0))
    return (0.1 * tone + noise).astype(np.float32)


def seconds(duration: float) -> np.ndarray:
    return np.arange(round(duration * SAMPLE_RATE)) / SAMPLE_RATE


@pytest.mark.parametrize("n_samples", [*range(0, 2600, 37), 559, 560, 561, 880, 881, 319, 320, 639, 640, 93_680])
def test_frame_count_is_the_number_of_windows_that_fit(n_samples):
    yaapt = 0
    # pYAAPT takes a window while the sample after its first half lies before the last half window.
    while 320 * yaapt + 280 < n_samples - 280:
        yaapt += 1
    assert frame_count("yaapt", n_samples) == yaapt
    cells = 0
    while 320 * (cells + 1) <= n_samples:
        cells += 1
    assert frame_count("praat", n_samples) == frame_count("pyin", n_samples) == cells


def frame_times(method, n_frames):
    """Centres of the analysis windows, in seconds."""
    return ((280 if method == "yaapt" else 160) + 320 * np.arange(n_frames)) / 16_000


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_samples", [0, 1, 319, 320, 321, 560, 561, 881, 1201, 1520, 1521, 1841, 8000])
def test_tracks_are_as_long_as_promised(method, n_samples):
    f0 = estimate_f0(voice(np.full(n_samples, 200.0)), method)
    assert f0.dtype == np.float32
    assert f0.shape == (frame_count(method, n_samples),)
    assert not (f0 <= 0).any()


# The contour moves by up to 4.5 % in 20 ms (2.3 % for pYIN, which takes faster ones for unvoiced): one cell off shows.
@pytest.mark.parametrize(
    ("method", "cycles", "tolerance"),
    [("yaapt", 2, 0.03), ("praat", 2, 0.01), pytest.param("pyin", 1, 0.01, marks=pytest.mark.slow)],
)
def test_frames_carry_the_f0_at_their_times(method, cycles, tolerance):
    contour = 140 * (1 + 0.18 * np.sin(2 * np.pi * cycles * seconds(1.0)))
    f0 = estimate_f0(voice(contour), method)
    inside = slice(3, -3)
    truth = np.interp(frame_times(method, len(f0)), seconds(1.0), contour)[inside]
    assert f0[inside] == pytest.approx(truth, rel=tolerance)
    assert f0[inside][1:] != pytest.approx(truth[:-1], rel=tolerance)
    assert f0[inside][:-1] != pytest.approx(truth[1:], rel=tolerance)


def test_yaapt_reads_one_lag_too_many():
    """The published cuts are on that scale: 200 Hz is a lag of 80 samples, and comes out as 16000 / 81."""
    f0 = estimate_f0(voice(np.full(16_000, 200.0)), "yaapt")
    assert np.nanmedian(f0) == pytest.approx(16_000 / 81)


@pytest.mark.parametrize("method", METHODS)
def test_voicing_starts_and_ends_with_the_voice(method):
    contour = 200 + 20 * np.sin(2 * np.pi * 3 * seconds(0.6))
    silence = np.zeros(8000, dtype=np.float32)
    f0 = estimate_f0(np.concatenate([silence, voice(contour), silence]), method)
    voiced = np.flatnonzero(~np.isnan(f0))
    times = frame_times(method, len(f0))[voiced]
    assert times[0] == pytest.approx(0.5, abs=0.035)
    assert times[-1] == pytest.approx(1.1, abs=0.035)
    assert len(voiced) == voiced[-1] - voiced[0] + 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", [0.0, 0.3])
def test_constant_clips_are_unvoiced(method, level):
    f0 = estimate_f0(np.full(16_000, level, dtype=np.float32), method)
    assert len(f0) == frame_count(method, 16_000)
    assert np.isnan(f0).all()


# pYIN takes some noise for voice.
@pytest.mark.parametrize("method", ["yaapt", "praat"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_noise_and_clicks_are_unvoiced(method, seed):
    generator = np.random.default_rng(seed)
    click = np.zeros(12_000)
    click[generator.integers(3000, 9000)] = 1
    for clip in (generator.normal(0, 0.1, 12_000), click):
        assert np.isnan(estimate_f0(clip.astype(np.float32), method)).all()


def test_yaapt_is_that_of_the_package():
    from amfm_decompy import basic_tools, pYAAPT

    waveform = voice(180 + 60 * np.sin(2 * np.pi * 2 * seconds(1.0)))
    raw = pYAAPT.yaapt(
        basic_tools.SignalObj(waveform.astype(np.float64), 16_000),
        f0_min=71.0,
        f0_max=800.0,
        frame_length=35.0,
        frame_space=20.0,
    )
    expected = np.where(raw.samp_values > 0, raw.samp_values, np.nan).astype(np.float32)
    assert np.count_nonzero(~np.isnan(expected)) > 30
    np.testing.assert_array_equal(estimate_f0(waveform, "yaapt"), expected)
    np.testing.assert_array_equal(raw.frames_pos / 16_000, frame_times("yaapt", len(expected)))


@pytest.mark.parametrize("floor_hz", [40.0, 71.0, 150.0])
def test_praat_centres_its_frames_on_the_cells(floor_hz, monkeypatch):
    import parselmouth

    seen = []
    original = parselmouth.Sound.to_pitch_ac

    def spy(sound, *args, **kwargs):
        pitch = original(sound, *args, **kwargs)
        # The clip starts where its only positive step does.
        seen.append(pitch.xs() - np.flatnonzero(sound.values[0])[0] / SAMPLE_RATE)
        return pitch

    monkeypatch.setattr(parselmouth.Sound, "to_pitch_ac", spy)
    for n_samples in (320, 639, 5001, 16_000):
        ramp = np.linspace(0.1, 0.2, n_samples, dtype=np.float32)
        f0 = estimate_f0(ramp, "praat", floor_hz)
        np.testing.assert_allclose(seen.pop(), frame_times("praat", len(f0)), atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_the_range_is_obeyed(method):
    waveform = voice(220 + 40 * np.sin(2 * np.pi * 2 * seconds(1.0)))
    f0 = estimate_f0(waveform, method, 75.0, 200.0)
    assert not (f0 > 200.0).any()
    assert (estimate_f0(waveform, method) > 200.0).any()


@pytest.mark.parametrize("method", METHODS)
def test_the_waveform_is_left_as_it_was(method):
    waveform = voice(np.full(4000, 200.0)).astype(np.float64)
    before = waveform.copy()
    estimate_f0(waveform, method)
    np.testing.assert_array_equal(waveform, before)


def test_refusals():
    good = voice(np.full(4000, 200.0))
    with pytest.raises(ConfigError, match=r"'crepe'.*yaapt, praat, pyin"):
        estimate_f0(good, "crepe")
    with pytest.raises(ConfigError, match="crepe"):
        frame_count("crepe", 4000)
    for floor, ceiling in ((30, 800), (71, 1600), (200, 800), (71, 140), (300, 200), (math.nan, 800)):
        with pytest.raises(ConfigError, match="71-800 Hz"):
            estimate_f0(good, "yaapt", floor, ceiling)
    with pytest.raises(AudioError, match="int16"):
        estimate_f0((good * 2**15).astype(np.int16), "yaapt")
    with pytest.raises(AudioError, match=r"\[2000, 2\]"):
        estimate_f0(good.reshape(-1, 2), "yaapt")
    for bad in (np.nan, np.inf):
        broken = good.copy()
        broken[17] = bad
        with pytest.raises(AudioError, match="at sample 17"):
            estimate_f0(broken, "yaapt")


def test_trouble_inside_a_tracker_is_not_hidden(monkeypatch):
    from amfm_decompy import pYAAPT

    good = voice(np.full(4000, 200.0))

    def fail(*args, **kwargs):
        raise RuntimeError("boom")

    monkeypatch.setattr(pYAAPT, "yaapt", fail)
    with pytest.raises(RuntimeError, match="boom"):
        estimate_f0(good, "yaapt")

    class Short:
        samp_values = np.full(4, 100.0)

    monkeypatch.setattr(pYAAPT, "yaapt", lambda *args, **kwargs: Short)
    with pytest.raises(CorpusError, match="yaapt gave 4 frames for 4000 samples, expected 11"):
        estimate_f0(good, "yaapt")


def test_trackers_are_imported_when_used_only():
    program = (
        "import sys, property_neurons.corpus.pitch; "
        "print([m for m in ('amfm_decompy', 'parselmouth', 'librosa', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
