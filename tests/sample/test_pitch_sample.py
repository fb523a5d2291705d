"""F0 on real speech: YAAPT repeats the paper authors' own bins, and the other methods stay close to it."""

from types import SimpleNamespace

import numpy as np
import pytest

from property_neurons.config.analysis import Analysis
from property_neurons.corpus.audio import find_audio, read_audio
from property_neurons.corpus.framewise import read_pitch_bins
from property_neurons.corpus.pitch import estimate_f0, frame_count
from property_neurons.counting.pitch_bins import bin_track, fit_to_labels
from property_neurons.editing.parts import divide_errors
from property_neurons.tasks.f0_tracks import ln_f0

pytestmark = pytest.mark.sample

# What the authors' bins were cut by, as these very tests show, and as a user would write it; see docs/pitch.md.
PUBLISHED = Analysis(preset="published", pitch_cuts=["16000/120", "16000/85"])


@pytest.fixture(scope="module")
def lossless(sample_data):
    """The lossless utterances of dev-clean: {utterance: waveform}."""
    files = [path for path in find_audio(sample_data / "LibriSpeech" / "dev-clean") if path.suffix == ".flac"]
    return {path.stem: read_audio(path) for path in files}


@pytest.fixture(scope="module")
def tracks(lossless):
    return {utterance: estimate_f0(waveform, "yaapt") for utterance, waveform in lossless.items()}


@pytest.mark.slow
def test_yaapt_repeats_the_authors_bins_of_lossless_audio(sample_data, tracks):
    theirs = read_pitch_bins(sample_data / "alignments" / "dev-clean" / "pitch-bins-20ms.json.gz")
    assert len(tracks) == 9
    left_out = 0
    for utterance, f0 in tracks.items():
        bins = bin_track(f0, PUBLISHED.pitch_cuts, PUBLISHED.at_lower_cut)
        np.testing.assert_array_equal(bins, theirs[utterance], err_msg=utterance)
        left_out += len(f0) - len(bins)
        padded = fit_to_labels(bins, len(f0) + 3, PUBLISHED.f0_padding)
        assert padded.tolist() == [-1] * (len(padded) - len(bins)) + theirs[utterance].tolist()
    assert left_out == 2


@pytest.mark.parametrize("lags", [(120, 85), (124, 89), (110, 80)])
def test_a_frame_of_real_speech_is_scored_in_the_range_in_which_it_is_counted(tracks, lags):
    cuts = tuple(float(np.float32(16_000 / lag)) for lag in lags)
    counts = SimpleNamespace(property_name="pitch", pitch_cuts_hz=cuts, groups=("low", "middle", "high"))
    divide = divide_errors(SimpleNamespace(kind="f0_reconstruction"), counts, "f0", tracks)
    on_a_cut = 0
    for utterance, f0 in tracks.items():
        # Frame i is missed by 2 ** (i % 10), so that an error tells how many frames of each such kind it is of.
        missed = np.sqrt(2.0 ** (np.arange(len(f0)) % 10))
        labels = ln_f0(f0)
        parts = divide({"utterance": utterance}, labels.astype(np.float64) + missed, labels)
        counted = bin_track(f0, cuts, "lower_bin")
        for number, (_, error, weight) in enumerate(parts[1:]):
            assert weight == np.count_nonzero(counted == number)
            assert error == pytest.approx(np.square(missed[counted == number]).sum(), rel=1e-9)
        on_a_cut += np.isin(f0, np.float32(cuts)).sum()
    assert on_a_cut >= 10


@pytest.mark.parametrize(
    ("method", "voicing", "near"), [("praat", 0.90, 0.90), pytest.param("pyin", 0.70, 0.90, marks=pytest.mark.slow)]
)
def test_other_methods_stay_close(lossless, tracks, method, voicing, near):
    agree, ratios = [], []
    for utterance, waveform in list(lossless.items())[:3]:
        yaapt, other = tracks[utterance], estimate_f0(waveform, method)
        assert len(other) == frame_count(method, len(waveform))
        other = other[: len(yaapt)]
        agree.append(np.isnan(yaapt) == np.isnan(other))
        ratios.append((other / yaapt)[~np.isnan(yaapt) & ~np.isnan(other)])
    ratios = np.concatenate(ratios)
    assert np.concatenate(agree).mean() > voicing
    assert np.mean(np.abs(ratios - 1) < 0.2) > near
