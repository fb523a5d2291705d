"""What a training sees: a pure function of seed and number, alike from waveforms and from stored states."""

import math
import pickle
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_models
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data._utils.pin_memory import pin_memory

from property_neurons.corpus.recordings import Recording, decode_into
from property_neurons.errors import AudioError, StoreError, TaskError
from property_neurons.models.loading import load_encoder
from property_neurons.tasks import stored_states
from property_neurons.tasks.examples import Examples, StoredStates, Waveforms, clip_starts, collate
from property_neurons.tasks.heads import UNLABELLED, Head
from property_neurons.tasks.model import TaskModel
from property_neurons.tasks.remembered import Remembered
from property_neurons.tasks.stored_states import frame_states, open_states, write_states
from property_neurons.training.order import EpochOrder, LengthGroupedOrder

LENGTHS = (16_000, 7_777, 12_345, 20_480, 9_000)
NAMES = [f"u{place}" for place in range(len(LENGTHS))]


class Counting:
    """A source that gives what it was asked for; utterance i is 10 (i + 1) frames long."""

    def n_frames(self, index):
        return 10 * (index + 1)

    def __call__(self, index, first, frames):
        return {"asked": (index, first, frames)}


@pytest.mark.parametrize(("frames", "windows"), [(10, 1), (9, 1), (11, 2), (20, 2), (21, 3)])
def test_a_hop_more_opens_no_window_of_silence(frames, windows, tmp_path):
    """Whisper in windows of 10 frames: a crop of 10 takes one, and gives 10 frames."""
    model = small_models.small_model("WhisperEncoder", max_source_positions=10)
    small_models.save_model(model, tmp_path)
    encoder = load_encoder(tmp_path)
    assert encoder.window_samples == 3_200
    made = Waveforms(encoder, [Recording("u0", Path(NAMES[0]), LENGTHS[0])])(0, 3, frames)
    assert len(made["windows"]) == windows
    assert len(made["rows"]) == frames


def table_of(references):
    n_samples = [3_200 * (place + 1) for place in range(len(references))]
    return pd.DataFrame({"utterance": range(len(references)), "n_samples": n_samples, "reference": references})


def examples(kind="f0_reconstruction", references=None, **options):
    """Examples of five utterances whose ln F0 tells utterance and frame."""
    tracks = [100 * place + np.arange(10 * (place + 1), dtype=np.float32) for place in range(5)]
    return Examples(table_of(tracks if references is None else references), kind, Counting(), **options)


def read_audio(path):
    place = NAMES.index(str(path))
    return np.asarray(small_models.waveform(LENGTHS[place], place), np.float32)


SPEECH = read_audio


def recordings():
    return [Recording(name, Path(name), length) for name, length in zip(NAMES, LENGTHS, strict=True)]


@pytest.fixture
def load(tmp_path):
    """A function that gives a small model of a class."""
    return lambda name: load_encoder(small_models.save_model(small_models.small_model(name), tmp_path / name))


def stored(encoder, folder, chosen):
    write_states(folder, encoder, chosen)
    return open_states(f"{folder}.manifest.json")


def batch_states(encoder, source, pieces):
    """States and lengths of one batch of (utterance, first frame, frames), as a frozen model's head gets them."""
    items = [source(*piece) | {"index": piece[0], "label": torch.zeros(1, dtype=torch.int64)} for piece in pieces]
    head = Head("f0_reconstruction", states=small_models.N_BLOCKS + 1, hidden_size=16, outputs=1)
    model = TaskModel(head, encoder.model, trained=False)
    batch = collate(items)
    return (
        (batch["states"].float(), batch["lengths"])
        if "states" in batch
        else model._states(batch["windows"], batch["rows"])
    )


def test_an_item_depends_on_seed_and_number_alone():
    wanted = [17, 3, 49, 3, 0, 22, 48]
    one, other = (examples(n_examples=50, crop_seconds=0.2, seed=5) for _ in range(2))
    in_order = [one[item] for item in range(50)]
    for item in wanted:
        found = other[item]
        assert found["asked"] == in_order[item]["asked"]
        assert torch.equal(found["label"], in_order[item]["label"])
    another = examples(n_examples=50, crop_seconds=0.2, seed=6)
    assert [another[item]["asked"] for item in range(50)] != [item["asked"] for item in in_order]


def test_an_epoch_goes_through_all_utterances_in_an_order_of_its_own():
    drawn = examples(n_examples=23)
    assert len(drawn) == 23
    orders = [[drawn[5 * epoch + item]["index"] for item in range(5)] for epoch in range(4)]
    assert all(sorted(order) == list(range(5)) for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    assert len({drawn[item]["index"] for item in (20, 21, 22)}) == 3


def test_batches_of_similar_lengths_hold_the_utterances_of_the_free_order():
    lengths = np.random.default_rng(0).integers(1, 1000, 100)
    free, grouped = EpochOrder(100, 7), LengthGroupedOrder(lengths, 7, 4)
    for block in range(5):
        span = range(128 * block, 128 * (block + 1))
        chosen = [grouped[position] for position in span]
        assert sorted(chosen) == sorted(free[position] for position in span)
        batches = lengths[chosen].reshape(32, 4)
        # Cut out of the sorted lengths: no batch reaches into another's range.
        in_order = batches[batches[:, 0].argsort()]
        assert (in_order[1:, 0] >= in_order[:-1, -1]).all()
        assert batches[:, 0].tolist() != in_order[:, 0].tolist()
    other = LengthGroupedOrder(lengths, 7, 4)
    assert [other[position] for position in (300, 5, 301)] == [grouped[position] for position in (300, 5, 301)]
    assert [LengthGroupedOrder(lengths, 8, 4)[at] for at in range(128)] != [grouped[at] for at in range(128)]


def test_examples_grouped_by_length_come_in_batches_of_one_length():
    grouped = examples(n_examples=320, group_by_length=5)
    lengths = np.array([len(grouped[item]["label"]) for item in range(160)]).reshape(32, 5)
    # 160 positions are 32 epochs of 5 utterances of 10 to 50 frames: all batches but those between lengths are of one.
    assert (np.ptp(lengths, axis=1) > 0).sum() <= 4
    assert np.bincount(lengths.ravel(), minlength=51)[[10, 20, 30, 40, 50]].tolist() == [32] * 5
    cropped = examples(n_examples=160, group_by_length=5, crop_seconds=0.4)
    assert max(len(cropped[item]["label"]) for item in range(160)) == 20


def test_crops_lie_within_and_labels_are_cut_alike():
    drawn = examples(n_examples=200, crop_seconds=0.5)
    starts = {place: set() for place in range(5)}
    for item in range(200):
        example = drawn[item]
        index, first, frames = example["asked"]
        length = 10 * (index + 1)
        if length <= 25:
            assert (first, frames) == (0, None)
        else:
            assert frames == 25
            assert 0 <= first <= length - 25
        starts[index].add(first)
        expected = 100 * index + np.arange(first, first + min(length, 25))
        assert example["label"].tolist() == expected.tolist()
    assert starts[2] == set(range(6))
    assert {0, 25} & starts[4]


def test_without_a_number_of_examples_every_utterance_comes_once_and_whole_the_longest_first():
    scored = examples(crop_seconds=0.1)
    assert [scored[item]["asked"] for item in range(len(scored))] == [(place, 0, None) for place in (4, 3, 2, 1, 0)]


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 9))
def test_clips_lie_within_their_parts_and_do_not_overlap(n_frames, length, number):
    if n_frames < length:
        return
    starts = clip_starts(n_frames, length, number)
    assert len(starts) == max(n for n in range(1, number + 1) if n == 1 or n * length <= n_frames)
    part = n_frames / len(starts)
    for place, start in enumerate(starts):
        assert abs(start + length / 2 - (place + 0.5) * part) <= 1
        assert 0 <= start <= n_frames - length
    assert all(later - sooner >= length for sooner, later in pairwise(starts))


def test_clips_are_scored_in_place_of_whole_utterances():
    # 10, 20, ... 50 frames; clips of 20.
    scored = examples(clips=(0.4, 2))
    asked = [(4, 2, 20), (4, 27, 20), (3, 0, 20), (3, 20, 20), (2, 5, 20), (1, 0, None), (0, 0, None)]
    assert [scored[item]["asked"] for item in range(len(scored))] == asked
    assert scored[1]["label"].tolist() == (400 + np.arange(27, 47)).tolist()


def test_a_track_that_ends_early_is_unvoiced_there_and_one_that_is_too_long_is_cut():
    tracks = [np.array([5.0, math.nan, 6.0], np.float32), np.arange(30, dtype=np.float32)]
    short, long = (examples(references=tracks)[item]["label"] for item in (1, 0))
    np.testing.assert_array_equal(short, [5, math.nan, 6] + 7 * [math.nan])
    np.testing.assert_array_equal(long, np.arange(20))
    cropped = examples(references=tracks, n_examples=20, crop_seconds=0.1)
    for item in range(20):
        index, first, _ = cropped[item]["asked"]
        whole = np.concatenate([tracks[index], np.full(20, math.nan)])
        np.testing.assert_array_equal(cropped[item]["label"], whole[first : first + 5])


def test_units_are_not_cut_and_are_padded_in_a_batch():
    drawn = examples("phone_recognition", [[1, 2, 3], [0]], n_examples=2)
    items = [drawn[item] | {"states": torch.zeros(2, 4, 3)} for item in range(2)]
    items.sort(key=lambda item: item["index"])
    assert collate(items)["labels"].tolist() == [[1, 2, 3], [0, UNLABELLED, UNLABELLED]]


def test_a_batch_is_padded_at_the_end():
    tracks = [torch.tensor([1.0, math.nan, 2.0]), torch.tensor([3.0])]
    values = [torch.randn(2, len(track), 4).half() for track in tracks]
    batch = collate(
        [{"index": 7 + k, "label": tracks[k], "states": values[k]} for k in range(2)],
    )
    assert batch["index"].tolist() == [7, 8]
    assert batch["lengths"].tolist() == [3, 1]
    np.testing.assert_array_equal(batch["labels"], [[1, math.nan, 2], [3, math.nan, math.nan]])
    # As they were stored: they are widened where the head is.
    assert batch["states"].dtype == torch.float16
    assert torch.equal(batch["states"][1, :, :1], values[1])
    assert batch["states"][1, :, 1:].abs().max() == 0


@pytest.mark.parametrize("name", ["MelHubertModel", "HubertModel", "SEWModel", "WhisperEncoder"])
def test_waveforms_and_stored_states_give_the_same_frames(name, load, tmp_path):
    encoder = load(name)
    store = stored(encoder, tmp_path / "states", recordings()[::-1])
    pieces = [(place, 0, None) for place in (3, 0, 1)]
    waveforms = Waveforms(encoder, recordings())
    from_store = StoredStates({"made": store}, [("made", utterance) for utterance in NAMES])
    expected, lengths = batch_states(encoder, waveforms, pieces)
    found, stored_lengths = batch_states(encoder, from_store, pieces)
    assert lengths.tolist() == stored_lengths.tolist() == [from_store.n_frames(place) for place, *_ in pieces]
    assert lengths.tolist() == [waveforms.n_frames(place) for place, *_ in pieces]
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=2**-10)
    for row, (place, *_) in enumerate(pieces):
        waveform = read_audio(NAMES[place])
        alone = frame_states(encoder, len(waveform), encoder.windows(waveform))
        torch.testing.assert_close(expected[row, :, : alone.shape[1]], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", small_models.CLASS_NAMES)
def test_a_crop_has_as_many_frames_as_its_label_wherever_it_is_cut(name, load):
    encoder = load(name)
    waveforms = Waveforms(encoder, recordings())
    for place in range(len(LENGTHS)):
        last = waveforms.n_frames(place) - 12
        for first in (0, 1, last // 2, last - 1, last):
            assert len(waveforms(place, first, 12)["rows"]) == 12, (place, first)


def test_pieces_that_are_remembered_are_made_once_and_those_beyond_the_room_each_time(load):
    asked = []

    class Asked(Waveforms):
        def __call__(self, *piece):
            asked.append(piece)
            return super().__call__(*piece)

    encoder = load("MelHubertModel")
    pieces = [(0, 0, None), (1, 0, None), (1, 2, 12)]
    sizes = [Waveforms(encoder, recordings())(*piece)["windows"][0].values.nbytes for piece in pieces]
    source = Remembered(Asked(encoder, recordings()), sizes[0] + sizes[2])
    passes = [[source(*piece) for piece in pieces] for _ in range(3)]
    assert asked == [*pieces, pieces[1], pieces[1]]
    for made in passes[1:]:
        for one, other in zip(passes[0], made, strict=True):
            assert torch.equal(one["windows"][0].values, other["windows"][0].values)
            assert torch.equal(one["rows"], other["rows"])
    assert source.n_frames(1) == Waveforms(encoder, recordings()).n_frames(1)


def test_all_of_a_batch_is_pinned(load, monkeypatch):
    """What a loader of torch does beside a GPU, which pins what it knows to be tensors."""
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor)
    encoder = load("MelHubertModel")
    source = Waveforms(encoder, recordings())
    batch = collate([source(place, 0, None) | {"index": place, "label": torch.tensor([1])} for place in (0, 1)])
    found = pin_memory(batch)
    values = [window.values for windows in batch["windows"] for window in windows]
    assert {id(one) for one in pinned} == {
        id(one) for one in (*values, *batch["rows"], batch["index"], batch["labels"])
    }
    assert found["windows"][0][0].values is batch["windows"][0][0].values
    encoder.windows(read_audio(NAMES[0]))
    assert len(pinned) == len(values) + 4
    monkeypatch.setattr(type(encoder.model), "device", torch.device("cuda"))
    assert encoder.windows(read_audio(NAMES[0]))[0].values is pinned[-1]


def test_stored_states_reach_the_head_as_the_floats_that_they_are(load, tmp_path):
    store = stored(load("MelHubertModel"), tmp_path / "states", recordings())
    source = StoredStates({"made": store}, [("made", name) for name in NAMES])
    batch = collate([source(place, 0, None) | {"index": place, "label": torch.tensor([1])} for place in (0, 1)])
    head = Head("speaker_identification", states=small_models.N_BLOCKS + 1, hidden_size=16, outputs=3, projector=4)
    model = TaskModel(head, torch.nn.Identity(), trained=False)
    with torch.inference_mode():
        found = model(**batch)["outputs"]
        expected = head(batch["states"].float(), batch["lengths"])
    assert torch.equal(found, expected)


def test_a_crop_of_waveforms_starts_where_its_frames_do(load):
    encoder = load("MelHubertModel")
    window = Waveforms(encoder, recordings())(0, 7, 12)["windows"][0]
    whole = next(encoder.front_end.windows(read_audio(NAMES[0])))
    torch.testing.assert_close(window.values[0], whole.values[0, 7:19], atol=1e-4, rtol=1e-4)


def test_a_crop_of_stored_states_is_a_piece_of_them(load, tmp_path):
    store = stored(load("MelHubertModel"), tmp_path / "states", recordings())
    source = StoredStates({"made": store}, [("made", "u2"), ("made", "u0")])
    whole, piece = source(1, 0, None)["states"], source(1, 7, 12)["states"]
    assert piece.shape == (small_models.N_BLOCKS + 1, 12, 16)
    assert torch.equal(piece, whole[:, 7:19])


def test_an_utterance_that_was_not_stored_is_refused_by_name(load, tmp_path):
    store = stored(load("MelHubertModel"), tmp_path / "states", recordings()[:2])
    with pytest.raises(TaskError, match=r"states: expected utterance u3, found no states of it"):
        StoredStates({"made": store}, [("made", "u1"), ("made", "u3")])


def test_damaged_states_are_found(load, tmp_path):
    stored(load("MelHubertModel"), tmp_path / "states", recordings()[:2])
    values = tmp_path / "states" / "states.npy"
    content = bytearray(values.read_bytes())
    content[-1] ^= 1
    values.write_bytes(content)
    with pytest.raises(StoreError, match=r"the content of states\.npy is not what was written"):
        open_states(tmp_path / "states.manifest.json")


# One of each front end.
@pytest.mark.parametrize("name", ["HubertModel", "MelHubertModel", "Wav2Vec2BertModel", "WhisperEncoder"])
def test_what_data_workers_are_given_can_be_sent_to_them(name, load, tmp_path):
    """They begin without what this process has in memory where they are spawned: macOS, and Python from 3.14 on."""
    encoder = load(name)
    table = pd.DataFrame({"utterance": NAMES, "n_samples": LENGTHS, "reference": [[place] for place in range(5)]})
    sources = [Waveforms(encoder, recordings())]
    if name == "MelHubertModel":
        store = stored(encoder, tmp_path / "states", recordings())
        sources.append(StoredStates({"made": store}, [("made", utterance) for utterance in NAMES]))
    for source in sources:
        examples = Examples(table, "speaker_identification", source, n_examples=3, crop_seconds=0.3)
        content = pickle.dumps((examples, collate))
        # Neither the model nor the states that are stored.
        assert len(content) < 300_000
        there, collate_there = pickle.loads(content)
        one, other = collate([examples[2]]), collate_there([there[2]])
        assert torch.equal(one["labels"], other["labels"])
        key = "states" if "states" in one else "windows"
        first, second = (batch[key] if key == "states" else batch[key][0][0].values for batch in (one, other))
        assert torch.equal(first, second)


def test_audio_and_features_are_read_by_the_decoding_threads(load, tmp_path, monkeypatch):
    """As many as the job has cores for, while the model is at work."""
    encoder, threads = load("MelHubertModel"), []
    plain = encoder.windows
    monkeypatch.setattr(encoder, "windows", lambda wave: threads.append(threading.current_thread().name) or plain(wave))
    monkeypatch.setattr(stored_states, "decode_into", lambda *given: threads.append(given[2]) or decode_into(*given))
    write_states(tmp_path / "states", encoder, recordings(), decoders=3)
    assert threads[0] == 3
    assert len(threads) == 1 + len(recordings())
    assert all(name.startswith("decode") for name in threads[1:])


def test_states_beyond_half_precision_and_changed_audio_leave_nothing(load, tmp_path):
    encoder = load("MelHubertModel")
    changed = [replace(recordings()[0], n_samples=15_999)]
    with pytest.raises(AudioError, match="expected 15999 samples"):
        write_states(tmp_path / "states", encoder, changed)
    with torch.no_grad():
        encoder.model.encoder.layers[-1].final_layer_norm.weight.mul_(1e6)
    with pytest.raises(TaskError, match="utterance u0: expected hidden states within half precision"):
        write_states(tmp_path / "states", encoder, recordings())
    assert [path.name for path in tmp_path.iterdir()] == ["MelHubertModel"]


@pytest.mark.parametrize("kind", ["speaker_identification", "f0_reconstruction", "phone_recognition"])
def test_labels_go_to_the_device_of_the_outputs_before_the_loss(kind, monkeypatch):
    """Calibration and gates pass batches as they were collated, without transformers' Trainer in between."""
    head = Head(kind, states=1, hidden_size=4, outputs=1 if kind == "f0_reconstruction" else 3, projector=4).to("meta")
    states, lengths = torch.empty(2, 1, 5, 4, device="meta"), torch.empty(2, dtype=torch.int64, device="meta")
    seen = []
    monkeypatch.setattr(Head, "loss", lambda self, outputs, lengths, labels: seen.append(labels.device.type))
    TaskModel(head, torch.nn.Identity(), trained=False)(labels=torch.zeros(2, 5), states=states, lengths=lengths)
    assert seen == ["meta"]


def test_audio_that_changed_since_the_scan_is_neither_trained_nor_scored(load):
    changed = [replace(recordings()[0], n_samples=15_999)]
    with pytest.raises(AudioError, match=f"utterance {NAMES[0]}: .*expected 15999 samples .* re-run the scan"):
        Waveforms(load("MelHubertModel"), changed)(0, 0, None)
