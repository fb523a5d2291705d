"""Activation values that are kept, of which utterances, and what they say by group."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from property_neurons.activations.choice import chosen_utterances
from property_neurons.activations.extraction import store_activations
from property_neurons.activations.store import new_activations, open_activations, rounded
from property_neurons.activations.summary import BINS, summarise
from property_neurons.corpus import audio
from property_neurons.errors import CountingError, ModelError, StoreError
from property_neurons.ranks.sites import Site
from tests.unit.test_extraction import LENGTHS, FakeEncoder, read_audio


@pytest.fixture(autouse=True)
def made_up_audio(monkeypatch):
    monkeypatch.setattr(audio, "read_audio", read_audio)


def listed(lengths):
    return pd.DataFrame(
        {"utterance": [f"utt-{n}" for n in lengths], "audio": [f"{n}.flac" for n in lengths], "n_samples": lengths}
    )


@pytest.mark.parametrize("frames_per_row", [1, 2])
def test_the_store_holds_what_the_model_gave_in_every_frame(tmp_path, frames_per_row):
    encoder = FakeEncoder(frames_per_row)
    store_activations(lambda: (encoder, 2), listed(LENGTHS), tmp_path / "x-000.zarr", model="tiny", root="speech")
    store = open_activations(tmp_path / "x-000.zarr")
    assert (store.model, store.root, store.utterances) == ("tiny", "speech", tuple(f"utt-{n}" for n in LENGTHS))
    assert store.offset.tolist() == np.cumsum([0, *(n // 320 for n in LENGTHS)]).tolist()
    for site in range(2):
        frames = [encoder.activations(np.zeros(n), site).float().numpy()[encoder.rows_of_frames(n)] for n in LENGTHS]
        np.testing.assert_allclose(store.values(site), np.concatenate(frames), rtol=2**-6, atol=1e-6)


class WithInfinity(FakeEncoder):
    """In one neuron of the second layer, in one frame of one utterance."""

    def activations(self, waveform, site):
        activations = super().activations(waveform, site)
        if site == 1 and len(waveform) == LENGTHS[1]:
            activations[0, 2] = float("inf")
        return activations


def test_what_cannot_be_read_is_named_by_its_utterance(tmp_path):
    sentence = rf"utt-{LENGTHS[1]}: layer 2 \(site 2\): expected finite activations, found NaN or infinite ones"
    with pytest.raises(CountingError, match=sentence):
        store_activations(lambda: (WithInfinity(), 2), listed(LENGTHS), tmp_path / "x.zarr", model="tiny", root="")
    with pytest.raises(ModelError, match=r"utt-300: .* too short"):
        store_activations(lambda: (FakeEncoder(), 2), listed([300]), tmp_path / "x.zarr", model="tiny", root="")
    assert not (tmp_path / "x.zarr").exists()


def test_where_a_shard_has_no_utterance_no_model_is_loaded(tmp_path):
    store_activations(lambda: pytest.fail("loaded"), listed([]), tmp_path / "x-000.zarr", model="tiny", root="")
    assert open_activations(tmp_path / "x-000.zarr").utterances == ()


def test_more_rows_than_a_chunk_come_back_in_order(tmp_path):
    values = np.arange(10_000, dtype=np.float16).reshape(-1, 1) % 32
    with new_activations(
        tmp_path / "x.zarr",
        model="m",
        sites=[Site(1, "1", 1)],
        utterances=["a"],
        root="",
        audio=["a.flac"],
        offset=np.array([0, 10_000]),
    ) as writer:
        for start in range(0, 10_000, 999):
            writer.append([values[start : start + 999]])
    assert (open_activations(tmp_path / "x.zarr").values(0) == values).all()


def test_a_store_that_lacks_rows_does_not_appear(tmp_path):
    with (
        pytest.raises(StoreError, match="expected the values of 3 rows, found those of 2"),
        new_activations(
            tmp_path / "x.zarr",
            model="m",
            sites=[Site(1, "1", 1)],
            utterances=["a"],
            root="",
            audio=["a"],
            offset=np.array([0, 3]),
        ) as writer,
    ):
        writer.append([np.zeros((2, 1), np.float16)])
    assert not (tmp_path / "x.zarr").exists()


@given(st.floats(-60_000, 60_000, width=32))
def test_a_value_is_kept_to_a_64th_of_itself(value):
    kept = float(rounded(np.array([value], np.float32))[0])
    assert abs(kept - value) <= max(abs(value) / 64 * 1.02, 1e-6)


def test_what_is_too_large_for_half_precision_stays_finite():
    assert rounded(np.array([1e9, -1e9], np.float32)).tolist() == [64512, -64512]


def test_speech_is_chosen_from_all_speakers_alike_and_depends_on_ids_alone():
    table = pd.DataFrame(
        {
            "utterance": [f"{speaker}-{n:02d}" for speaker in "abc" for n in range(20)],
            "speaker": [speaker for speaker in "abc" for _ in range(20)],
            "n_samples": 16_000 * 10,
        }
    )
    chosen = chosen_utterances(table, 2)
    assert chosen.groupby("speaker").size().tolist() == [4, 4, 4]
    assert chosen["utterance"].tolist() != [f"{s}-{n:02d}" for s in "abc" for n in range(4)]
    shuffled = chosen_utterances(table.sample(frac=1, random_state=0), 2)
    assert shuffled["utterance"].tolist() == chosen["utterance"].tolist()
    assert len(chosen_utterances(table, None)) == 60


def test_summaries_equal_a_plain_loop():
    rng = np.random.default_rng(0)
    values, group = rng.normal(size=(400, 3)).astype(np.float16), rng.integers(-1, 3, 400)
    group[group == 2] = 1
    found = summarise(values, group, 3)
    for neuron in range(3):
        column = values[:, neuron].astype(float)
        limit = np.percentile(column, 95)
        for index in range(2):
            own = column[group == index]
            assert found.mean[index, neuron] == pytest.approx(own.mean())
            assert found.above[index, neuron] == pytest.approx((own > limit).mean())
            expected, _ = np.histogram(own, BINS, (column.min(), column.max()))
            assert np.abs(found.histogram[index, neuron] - expected).sum() <= 2
    assert found.n.tolist() == [(group == 0).sum(), (group == 1).sum(), 0]
    assert np.isnan(found.mean[2]).all()
    assert not found.histogram[2].any()


def test_a_neuron_that_never_changes_has_a_histogram():
    assert summarise(np.ones((5, 1), np.float16), np.zeros(5, int), 1).histogram.sum() == 5
