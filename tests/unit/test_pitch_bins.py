"""F0 to pitch bins: cuts, values at the cuts, and padding."""

import math

import numpy as np
import pytest
from synthetic_stores import loop_cuts, loop_pitch, make_corpus, shard_of, write_frames

from property_neurons.corpus.frame_store import open_frames
from property_neurons.counting.pitch_bins import _percentile, bin_track, find_cuts, fit_to_labels, frame_pitch_bins
from property_neurons.errors import CountingError

NAN = math.nan


def test_a_value_at_a_cut_falls_in_the_bin_below_it():
    f0 = np.array([99.0, 100.0, 100.5, 200.0, 200.5, NAN], dtype=np.float32)
    assert bin_track(f0, (100.0, 200.0), "lower_bin").tolist() == [0, 0, 1, 1, 2, -1]


def test_omission_drops_frames_at_the_lower_cut_alone_so_that_later_ones_move_earlier():
    f0 = np.array([100.0, NAN, 100.0, 150.0, 200.0, 250.0], dtype=np.float32)
    assert bin_track(f0, (100.0, 200.0), "omit").tolist() == [-1, 1, 1, 2]


@pytest.mark.parametrize(("low", "warned"), [(95.0, True), (100.0, False)])
@pytest.mark.parametrize("rule", ["omit", "lower_bin"])
def test_omission_that_omits_nothing_is_told(tmp_path, caplog, low, warned, rule):
    shard = open_frames(write_frames(tmp_path / "a.zarr", make_corpus(seed=5, n_utterances=9)))
    assert find_cuts([shard], (low, 160.0), rule) == (low, 160.0)
    assert ("frame's F0 does" in caplog.text) == (warned and rule == "omit")


def test_cuts_are_compared_in_the_precision_of_the_track():
    # 16000 / 120 is no float32: what YAAPT gives there is its nearest neighbour, 133.33332825.
    track = np.array([16000 / 120, 16000 / 85, 16000 / 121, 16000 / 119, 16000 / 84], dtype=np.float32)
    cuts = (16000 / 120, 16000 / 85)
    assert bin_track(track, cuts, "lower_bin").tolist() == [0, 1, 0, 1, 2]
    assert bin_track(track, cuts, "omit").tolist() == [1, 0, 1, 2]
    assert bin_track(track.astype(np.float64), cuts, "omit").tolist() == [0, 1, 0, 1, 2]
    assert bin_track(np.array([np.nextafter(track[0], np.float32(200))]), cuts, "omit").tolist() == [1]


@pytest.mark.parametrize(
    ("padding", "n_labels", "expected"),
    [
        ("end", 5, [0, 1, 2, -1, -1]),
        ("front", 5, [-1, -1, 0, 1, 2]),
        ("end", 2, [0, 1]),
        ("front", 2, [0, 1]),
        ("front", 0, []),
    ],
)
def test_tracks_are_fitted_to_the_labels(padding, n_labels, expected):
    assert fit_to_labels(np.array([0, 1, 2], dtype=np.int8), n_labels, padding).tolist() == expected


@pytest.mark.parametrize("rule", ["tertiles", "percentiles_33_66", (90.0, 160.0)])
def test_cuts_are_over_all_shards_and_kept_utterances(tmp_path, rule):
    corpus = make_corpus(seed=5, n_utterances=9)
    keep = {(utterance.subset, utterance.name) for utterance in corpus[1:]}
    shards = [
        open_frames(write_frames(tmp_path / "a.zarr", corpus[:4]), keep),
        open_frames(write_frames(tmp_path / "b.zarr", corpus[4:]), keep),
    ]
    assert find_cuts(shards, rule) == pytest.approx(loop_cuts(corpus[1:], rule), rel=1e-12)


@pytest.mark.parametrize("rule", [100 / 3, 33.0, 50.0, 66.0, 200 / 3, 0.0, 100.0])
def test_percentiles_without_a_copy_are_numpys_of_float64(rule):
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 5, 100, 1001):
        values = rng.uniform(71, 800, n).astype(np.float32)
        expected = np.percentile(values.astype(np.float64), rule)
        assert _percentile(values, rule) == expected


def test_percentiles_of_the_authors_fall_on_their_value_exactly():
    shard = shard_of_values(np.float32(16000 / 124), np.linspace(80, 300, 200, dtype=np.float32))
    low, _ = find_cuts([shard], "percentiles_33_66")
    assert low == float(np.float32(16000 / 124))
    assert len(bin_track(shard.pitch_values, (low, 400.0), "omit")) == 200


@pytest.mark.parametrize("padding", ["end", "front"])
@pytest.mark.parametrize("at_cut", ["lower_bin", "omit"])
@pytest.mark.parametrize("pitch", ["yaapt", "bins"])
def test_bins_of_a_shard_equal_a_plain_loop(tmp_path, padding, at_cut, pitch):
    corpus = make_corpus(seed=6, n_utterances=12, pitch=pitch)
    shard = open_frames(write_frames(tmp_path / "f.zarr", corpus, pitch))
    cuts = find_cuts([shard], "percentiles_33_66")
    options = {"at_lower_cut": at_cut, "f0_padding": padding}
    expected = [bin_ for utterance in corpus for bin_ in loop_pitch(utterance, cuts, options)]
    assert frame_pitch_bins(shard, cuts, at_lower_cut=at_cut, f0_padding=padding).tolist() == expected
    assert (cuts is None) == (pitch == "bins")


def test_corpora_without_usable_pitch_are_refused(tmp_path):
    corpus = make_corpus(seed=7)
    none = open_frames(write_frames(tmp_path / "none.zarr", corpus, "none"))
    bins = open_frames(write_frames(tmp_path / "bins.zarr", make_corpus(seed=7, pitch="bins"), "bins"))
    f0 = open_frames(write_frames(tmp_path / "f0.zarr", corpus))
    with pytest.raises(CountingError, match=r"none\.zarr: expected F0, found none"):
        find_cuts([none], "tertiles")
    with pytest.raises(CountingError, match=r"F0 in .*f0.zarr and bins in .*bins.zarr"):
        find_cuts([f0, bins], "tertiles")
    for rule in ("tertiles", (100.0, 200.0)):
        with pytest.raises(CountingError, match="expected voiced frames"):
            find_cuts([shard_of_values(np.float32(NAN), np.empty(0, dtype=np.float32))], rule)


@pytest.mark.parametrize("rule", ["tertiles", "percentiles_33_66", (100.0, 100.000001)])
def test_cuts_that_leave_no_frame_between_them_are_refused(rule):
    with pytest.raises(CountingError, match=r"the lower first, found 100 and 100 Hz.*analysis\.pitch_cuts"):
        find_cuts([shard_of_values(np.float32(100), np.float32([80, 90, 110]))], rule)


@pytest.mark.parametrize(("cuts", "empty"), [((60, 95), "low"), ((85, 88), "middle"), ((80, 200), "high")])
def test_cuts_with_an_empty_range_are_refused(cuts, empty):
    shard = shard_of_values(np.float32(100), np.float32([80, 90, 110]))
    with pytest.raises(CountingError, match=rf"found none in {empty} \(80 to 110\); give other cuts"):
        find_cuts([shard], cuts)


def shard_of_values(common, others):
    """A shard whose track holds `common` a hundred times and `others` once."""
    values = np.concatenate([np.full(100, common, dtype=np.float32), others])
    shard = shard_of([(0, 20 * len(values), "AA")])
    shard.pitch_values[:] = values
    return shard
