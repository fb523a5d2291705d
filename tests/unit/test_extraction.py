import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from property_neurons.corpus import audio
from property_neurons.corpus.recordings import Recording
from property_neurons.errors import AudioError, CountingError, ModelError
from property_neurons.models.backend import transformers
from property_neurons.models.loading import load_encoder
from property_neurons.ranks import reading
from property_neurons.ranks.batching import plan_batches
from property_neurons.ranks.extraction import extract_ranks
from property_neurons.ranks.sites import Site, active_neurons
from property_neurons.ranks.store import open_ranks
from property_neurons.stores.manifests import manifest_path

BLOCK = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 320}
STACK = {"conv_dim": [16] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
LENGTHS = (400, 4000, 7777, 16000)


class FakeEncoder:
    """Two sites whose activations are known; hands rows over in pieces, as Whisper does with long utterances."""

    def __init__(self, frames_per_row=1, piece=5):
        self.sites = [Site(1, "1", 300), Site(2, "2", 20)]
        self.window_samples = None
        self.frames_per_row = frames_per_row
        self.piece = piece

    def n_frames(self, n_samples):
        if n_samples < 320:
            raise ModelError(f"utterance of {n_samples} samples: too short")
        return n_samples // 320

    def rows_of_frames(self, n_samples):
        return np.arange(self.n_frames(n_samples)) // self.frames_per_row

    def activations(self, waveform, site):
        rows = self.rows_of_frames(len(waveform))[-1] + 1
        seed = torch.Generator().manual_seed(len(waveform) + site)
        return torch.randn(rows, self.sites[site].width, generator=seed).bfloat16()

    def windows(self, waveform):
        return [waveform]

    def read_windows(self, windows, consumer):
        pieces = [torch.cat([self.activations(one, site) for one in windows]).split(self.piece) for site in range(2)]
        for part in zip(*pieces, strict=True):
            for site, activations in enumerate(part):
                consumer(site, activations)


class WithNaN(FakeEncoder):
    """In one neuron of the second layer, in one frame of one utterance."""

    def activations(self, waveform, site):
        activations = super().activations(waveform, site)
        if site == 1 and len(waveform) == 7777:
            activations[3, 2] = float("nan")
        return activations


def recordings_of(lengths):
    return [Recording(f"utt-{n}", Path(f"{n}.flac"), n) for n in lengths]


def read_audio(path):
    n = int(path.stem)
    return np.random.default_rng(n).normal(0, 0.1, n).astype(np.float32)


SPEECH = read_audio


def extract(encoder, tmp_path, lengths=LENGTHS, **arguments):
    given = {"model": "tiny", "lambda_max": 0.05} | arguments
    extract_ranks(encoder, recordings_of(lengths), tmp_path / "x-000.zarr", **given)
    return open_ranks(tmp_path / "x-000.zarr")


def plain_ranks(frames, k):
    """[frames, width] -> ids [frames, k] and ties [k], one frame after the other."""
    ids, ties = [], np.zeros(k, np.int64)
    for frame in np.abs(frames.astype(np.float32)):
        order = np.argsort(-frame, kind="stable")
        ids.append(order[:k])
        ties += frame[order[:k]] == frame[order[1 : k + 1]]
    return np.array(ids), ties


def outputs_of_first_linears(model, names, values):
    """Activations as the model's own hooks give them: the input of the named linears, [rows, width] each."""
    found = {}
    for name in names:
        module = model.get_submodule(name)
        module.register_forward_hook(lambda _, inputs, __, name=name: found.update({name: inputs[0][0].numpy()}))
    with torch.inference_mode():
        model(values)
    return [found[name] for name in names]


def saved(model_class, config, folder):
    torch.manual_seed(0)
    model = model_class(config).eval()
    model.save_pretrained(folder)
    return model


def test_ranks_of_a_hubert_equal_a_plain_loop(tmp_path):
    config = transformers.HubertConfig(**BLOCK, **STACK)
    model = saved(transformers.HubertModel, config, tmp_path / "model")
    names = [f"encoder.layers.{layer}.feed_forward.output_dense" for layer in range(2)]

    ranks = extract(load_encoder(tmp_path / "model"), tmp_path)

    assert ranks.utterances == tuple(f"utt-{n}" for n in LENGTHS)
    assert ranks.sites == (Site(1, "1", 320), Site(2, "2", 320))
    assert (ranks.model, ranks.k, ranks.lambda_max, ranks.frames) == ("tiny", (16, 16), 0.05, "all")
    n_frames = [(n - 80) // 320 for n in LENGTHS]
    np.testing.assert_array_equal(np.diff(ranks.offset), n_frames)
    np.testing.assert_array_equal(ranks.frame, np.concatenate([np.arange(n) for n in n_frames]))
    ties = np.zeros((2, 16), np.int64)
    for index, n in enumerate(LENGTHS):
        waveform = read_audio(Path(f"{n}.flac"))
        stored = slice(ranks.offset[index], ranks.offset[index + 1])
        for site, activations in enumerate(outputs_of_first_linears(model, names, torch.from_numpy(waveform)[None])):
            ids, utterance_ties = plain_ranks(activations, 16)
            np.testing.assert_array_equal(ranks.ids(site, 16)[stored], ids)
            ties[site] += utterance_ties
    assert [[ranks.tied_rows(site, tau) for tau in range(1, 17)] for site in range(2)] == ties.tolist()


def test_each_site_keeps_a_share_of_its_own_width(tmp_path):
    encoder = FakeEncoder()
    ranks = extract(encoder, tmp_path)
    assert ranks.k == (15, 1)
    assert [ranks.ids(site, 1).shape for site in range(2)] == [(len(ranks.frame), 1)] * 2


def test_sew_stores_each_row_for_both_of_its_frames(tmp_path):
    config = transformers.SEWConfig(
        **BLOCK, **(STACK | {"conv_dim": [16] * 13, "num_conv_pos_embeddings": 8}), squeeze_factor=2
    )
    saved(transformers.SEWModel, config, tmp_path / "model")
    ranks = extract(load_encoder(tmp_path / "model"), tmp_path, lengths=(16000,))
    ids = ranks.ids(1, 16)
    assert len(ids) == 49
    np.testing.assert_array_equal(ids[:48:2], ids[1:48:2])
    np.testing.assert_array_equal(ids[48], ids[47])
    assert (ids[0] != ids[2]).any()


@pytest.mark.parametrize("frames_per_row", [1, 2])
@pytest.mark.parametrize("piece", [1, 5, 1000])
def test_pieces_and_shared_rows(tmp_path, frames_per_row, piece):
    encoder = FakeEncoder(frames_per_row, piece)
    ranks = extract(encoder, tmp_path)
    for site, k in enumerate(ranks.k):
        activations = [
            encoder.activations(read_audio(Path(f"{n}.flac")), site)[encoder.rows_of_frames(n)] for n in LENGTHS
        ]
        ids, ties = plain_ranks(torch.cat(activations).float().numpy(), k)
        np.testing.assert_array_equal(ranks.ids(site, k), ids)
        assert [ranks.tied_rows(site, tau) for tau in range(1, k + 1)] == ties.tolist()
    assert ranks.tied_rows(0, 10) > 0


def test_long_whisper_utterances_come_in_windows(tmp_path):
    config = transformers.WhisperConfig(
        d_model=32,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=320,
        decoder_ffn_dim=32,
        vocab_size=60,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        max_source_positions=50,
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )
    saved(transformers.WhisperModel, config, tmp_path / "model")
    encoder = load_encoder(tmp_path / "model")
    ranks = extract(encoder, tmp_path, lengths=(40000,))
    assert len(ranks.frame) == 125
    seen = {0: [], 1: []}
    encoder.read(read_audio(Path("40000.flac")), lambda site, rows: seen[site].append(rows.clone().numpy()))
    assert len(seen[1]) == 3
    np.testing.assert_array_equal(ranks.ids(1, 16), plain_ranks(np.concatenate(seen[1]), 16)[0])


@pytest.mark.parametrize("frames_per_row", [1, 2])
def test_middle_frames_are_those_of_the_full_store(tmp_path, frames_per_row):
    encoder = FakeEncoder(frames_per_row)
    full = extract(encoder, tmp_path / "full")
    middle = {"utt-400": [], "utt-4000": [0, 3, 4, 11], "utt-7777": [9], "utt-16000": [2, 49, 50]}
    middle["utt-7777"].append(encoder.n_frames(7777) + 1)
    ranks = extract(encoder, tmp_path, middle_frames={key: np.array(frames) for key, frames in middle.items()})
    assert ranks.frames == "segment_mid"
    assert ranks.offset.tolist() == [0, 0, 4, 5, 7]
    # The labels of two utterances reach one and two frames further than the model.
    assert ranks.frame.tolist() == [0, 3, 4, 11, 9, 2, 49]
    rows = np.repeat(full.offset[:-1], np.diff(ranks.offset)) + ranks.frame
    for site, k in enumerate(ranks.k):
        np.testing.assert_array_equal(ranks.ids(site, k), full.ids(site, k)[rows])
    activations = [encoder.activations(read_audio(Path(f"{n}.flac")), 0)[encoder.rows_of_frames(n)] for n in LENGTHS]
    ties = plain_ranks(torch.cat(activations)[rows].float().numpy(), 15)[1]
    assert [ranks.tied_rows(0, tau) for tau in range(1, 16)] == ties.tolist()


def test_an_empty_shard(tmp_path):
    assert extract(FakeEncoder(), tmp_path, lengths=()).utterances == ()


def test_the_same_bytes_every_time(tmp_path):
    extract(FakeEncoder(), tmp_path)
    first = manifest_path(tmp_path / "x-000.zarr").read_bytes()
    extract(FakeEncoder(), tmp_path)
    assert manifest_path(tmp_path / "x-000.zarr").read_bytes() == first


def test_audio_of_another_length_than_scanned(tmp_path, monkeypatch):
    def read(path):
        return read_audio(path)[: -1 if path.stem == "7777" else None]

    monkeypatch.setattr(audio, "read_audio", read)
    with pytest.raises(
        AudioError, match=r"utterance utt-7777: 7777\.flac: expected 7777 .* found 7776; .*re-run the scan"
    ):
        extract(FakeEncoder(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_undecodable_audio_names_its_utterance(tmp_path, monkeypatch):
    def read(path):
        raise AudioError(f"{path}: damaged")

    monkeypatch.setattr(audio, "read_audio", read)
    with pytest.raises(AudioError, match=r"utterance utt-400: 400\.flac: damaged"):
        extract(FakeEncoder(), tmp_path)


def test_an_utterance_the_model_cannot_read_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"utterance utt-100: .*100 samples"):
        extract(FakeEncoder(), tmp_path, lengths=(4000, 100))


def test_bad_activations_name_utterance_and_layer(tmp_path):
    with pytest.raises(CountingError, match=r"utterance utt-7777: layer 2 \(site 2\): .*NaN or infinite"):
        extract(WithNaN(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_model_that_gives_fewer_rows_than_frames(tmp_path):
    class Short(FakeEncoder):
        def activations(self, waveform, site):
            return super().activations(waveform, site)[: None if site == 0 else -1]

        def read_windows(self, windows, consumer):
            for site in range(2):
                consumer(site, self.activations(windows[0], site))

    with pytest.raises(CountingError, match=r"utterance utt-400: layer 2 \(site 2\): expected 1 rows .* found 0"):
        extract(Short(), tmp_path)


@pytest.mark.parametrize(
    ("frames", "message"),
    [([3, 2], "rising"), ([2, 2], "rising"), ([-1, 2], "rising"), ([12, 14], "from 12 to 14"), (None, "found none")],
)
def test_middle_frames_that_do_not_fit(tmp_path, frames, message):
    middle = {} if frames is None else {"utt-4000": np.array(frames)}
    with pytest.raises(CountingError, match=f"utterance utt-4000: .*{message}"):
        extract(FakeEncoder(), tmp_path, lengths=(4000,), middle_frames=middle)


def test_decoding_runs_ahead_but_not_without_bound(tmp_path, monkeypatch):
    decoded, ahead = [], []
    lock = threading.Lock()

    def read(path):
        with lock:
            decoded.append(path)
        return read_audio(path)

    monkeypatch.setattr(audio, "read_audio", read)

    class Slow(FakeEncoder):
        done = 0

        def read_windows(self, windows, consumer):
            time.sleep(0.02)
            ahead.append(len(decoded) - self.done)
            self.done += 1
            super().read_windows(windows, consumer)

    extract(Slow(), tmp_path, lengths=range(1000, 1040))
    assert len(decoded) == 40
    assert 1 < max(ahead) <= 9


def test_the_number_kept_follows_lambda(tmp_path):
    ranks = extract(FakeEncoder(), tmp_path, lambda_max=0.1)
    assert ranks.k == tuple(active_neurons(0.1, site.width) for site in ranks.sites) == (30, 2)


@pytest.mark.parametrize("seconds", [1e-3, 0.5, 1.0, 60.0])
@pytest.mark.parametrize("frames_per_row", [1, 2])
def test_utterances_read_together_are_stored_as_if_alone(tmp_path, seconds, frames_per_row):
    middle = {"utt-400": [], "utt-4000": [0, 3, 4, 11], "utt-7777": [9], "utt-16000": [2, 49]}
    for frames in (None, {key: np.array(found) for key, found in middle.items()}):
        alone = extract(FakeEncoder(frames_per_row), tmp_path / "alone", middle_frames=frames)
        together = extract(FakeEncoder(frames_per_row), tmp_path, middle_frames=frames, batch_seconds=seconds)
        assert together.utterances == alone.utterances
        for site, k in enumerate(alone.k):
            np.testing.assert_array_equal(together.ids(site, k), alone.ids(site, k))
            assert [together.tied_rows(site, tau) for tau in range(1, k + 1)] == [
                alone.tied_rows(site, tau) for tau in range(1, k + 1)
            ]


class Crowded(FakeEncoder):
    """Whose device has room for so many samples at once."""

    def __init__(self, room):
        super().__init__()
        self.room = room

    def read_windows(self, windows, consumer):
        if len(windows) * max(map(len, windows)) > self.room:
            # After some of it was handed over.
            consumer(0, torch.ones(1, 300))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nMore of it.")
        super().read_windows(windows, consumer)


def test_where_memory_is_short_fewer_are_read_at_once(tmp_path, caplog):
    alone = extract(FakeEncoder(), tmp_path / "alone")
    together = extract(Crowded(room=16_000), tmp_path, batch_seconds=60)
    np.testing.assert_array_equal(together.ids(0, 15), alone.ids(0, 15))
    assert together.tied_rows(0, 10) == alone.tied_rows(0, 10)
    assert "Lower ranks.batch_seconds" in caplog.text
    with pytest.raises(
        ModelError, match=r"utterance utt-16000: .*too little memory for its 1 s \(CUDA out of memory.*GiB"
    ):
        extract(Crowded(room=15_999), tmp_path, batch_seconds=60)


def test_the_utterance_to_blame_is_found_in_a_batch(tmp_path):
    with pytest.raises(CountingError, match=r"^utterance utt-7777: layer 2 \(site 2\): .*NaN or infinite"):
        extract(WithNaN(), tmp_path, batch_seconds=60)


def test_the_ranks_of_a_batch_come_to_the_cpu_in_one_copy(tmp_path, monkeypatch):
    """Counted where each copy is made."""
    copies = []
    monkeypatch.setattr(reading, "_to_cpu", lambda values: copies.append(values.dtype) or values.numpy)
    extract(FakeEncoder(), tmp_path, batch_seconds=60)
    assert copies == [torch.int16]


def test_batches_are_of_about_one_length():
    lengths = np.random.default_rng(0).integers(16_000, 30 * 16_000, 2000)
    batches = plan_batches(lengths, 240)
    assert sorted(index for batch in batches for index in batch) == list(range(2000))
    padded = [len(batch) * max(lengths[batch]) for batch in batches]
    assert max(padded) <= 240 * 16_000
    assert sum(padded) < 1.05 * sum(lengths)
    # Ranks wait for those of at most 512 others.
    assert all(max(batch) // 512 == min(batch) // 512 for batch in batches)
    # A window of Whisper costs 30 s however short the utterance; one that is too long is read alone.
    assert max(map(len, plan_batches(lengths, 240, 30 * 16_000))) == 8
    assert plan_batches([16_000 * 300, 16_000 * 300, 10], 240) == [[0], [1], [2]]
    assert plan_batches([5, 900, 7], None) == [[0], [1], [2]]
