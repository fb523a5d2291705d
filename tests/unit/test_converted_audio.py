"""Recordings at other rates and of more channels: what models read of them."""

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from property_neurons.config.load import load_config
from property_neurons.corpus.audio import UnusableAudio, read_audio
from property_neurons.corpus.converted_audio import Conversion, audio_copies
from property_neurons.corpus.report import CONVERTED
from property_neurons.corpus.scan import scan_subset
from property_neurons.corpus.sources import open_subset
from property_neurons.errors import ConfigError
from property_neurons.plan import corpora


def tones(rate, seconds=1.0, frequencies=(300, 3_000)):
    time = np.arange(round(rate * seconds)) / rate
    return 0.3 * sum(np.sin(2 * np.pi * frequency * time) for frequency in frequencies)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_a_tone_is_the_same_tone_at_16_khz(tmp_path, rate):
    """Held against the tone itself, and against scipy's resampler of another kind."""
    soundfile.write(tmp_path / "a.wav", tones(rate), rate, subtype="FLOAT")
    facts, audio, done = Conversion(tmp_path / "copies", "own", True, None).convert(tmp_path, "a.wav")
    assert (facts.n_samples, audio) == (16_000, "own/a.wav.flac")
    assert [trouble.code for trouble in done] == ["resampled"]
    assert f"found {rate} Hz; resampled by torchaudio" in done[0].detail
    found = read_audio(tmp_path / "copies/a.wav.flac")
    inner = slice(500, -500)
    np.testing.assert_allclose(found[inner], tones(16_000)[inner], atol=1e-3)
    common = np.gcd(rate, 16_000)
    other = resample_poly(tones(rate), 16_000 // common, rate // common)
    np.testing.assert_allclose(found[inner], other[inner], atol=1e-2)


def test_what_lies_above_8_khz_does_not_fold_down(tmp_path):
    soundfile.write(tmp_path / "a.wav", tones(48_000, frequencies=(11_000,)), 48_000)
    Conversion(tmp_path / "copies", "own", True, None).convert(tmp_path, "a.wav")
    assert np.abs(read_audio(tmp_path / "copies/a.wav.flac")[500:-500]).max() < 1e-3


def test_channels(tmp_path):
    both = np.stack([tones(16_000), tones(16_000, frequencies=(500,))], axis=1).astype(np.float32)
    soundfile.write(tmp_path / "a.flac", both, 16_000)
    expected = {"mix": both.mean(axis=1), "first": both[:, 0]}
    for channels, samples in expected.items():
        conversion = Conversion(tmp_path / channels, "own", False, channels)
        _, _, done = conversion.convert(tmp_path, "a.flac")
        assert [trouble.code for trouble in done] == ["channels_mixed"]
        np.testing.assert_allclose(read_audio(tmp_path / channels / "a.flac.flac"), samples, atol=1e-4)
    with pytest.raises(UnusableAudio, match="stereo"):
        Conversion(tmp_path / "none", "own", True, None).convert(tmp_path, "a.flac")


def test_the_copy_of_what_is_right_already_has_the_same_samples(tmp_path):
    samples = np.random.default_rng(0).integers(-(2**15), 2**15, 16_000, dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 16_000)
    _, _, done = Conversion(tmp_path / "copies", "own", True, "mix").convert(tmp_path, "a.wav")
    assert done == []
    np.testing.assert_array_equal(soundfile.read(tmp_path / "copies/a.wav.flac", dtype="int16")[0], samples)


def test_recordings_of_other_folders_keep_copies_of_their_own(tmp_path):
    (tmp_path / "root/new").mkdir(parents=True)
    (tmp_path / "new").mkdir()
    paths = ["new/a.wav", "../new/a.wav", str(tmp_path / "new/a.wav")]
    for place, path in enumerate(paths[:2]):
        soundfile.write(tmp_path / "root" / path, (place + 1) * tones(16_000) / 4, 16_000)
    copies = Conversion(tmp_path / "copies", "own", True, "mix")
    names = [copies.convert(tmp_path / "root", path)[1].removeprefix("own/") for path in paths]
    assert names[0] == "new/a.wav.flac"
    loudest = [np.abs(soundfile.read(tmp_path / "copies" / name)[0]).max() for name in names]
    assert loudest == pytest.approx([loudest[0], 2 * loudest[0], 2 * loudest[0]], rel=1e-3)


def test_a_scan_with_copies(tmp_path):
    (tmp_path / "r/x").mkdir(parents=True)
    soundfile.write(tmp_path / "r/x/wide.wav", np.tile(tones(44_100)[:, np.newaxis], 2), 44_100)
    soundfile.write(tmp_path / "r/x/right.wav", tones(16_000), 16_000)
    (tmp_path / "r/x/cut.wav").write_bytes((tmp_path / "r/x/wide.wav").read_bytes()[:-100])
    section = {"kind": "folder", "root": "r", "recordings": "{speaker}/{utterance}.wav"}
    rest = {"models": {"m": {"kind": "shipped", "name": "melhubert-mini"}}, "figures": {"corpus": "demo", "model": "m"}}
    content = {"data_root": str(tmp_path), "results": str(tmp_path / "results"), **rest}

    def scan(**audio):
        config = load_config(content | {"corpora": {"own": section | {"audio": audio}, "demo": {"kind": "demo"}}})
        source, folders = corpora.scan_source(config, "own", "folder"), corpora.audio_copies(config, "own", "folder")
        listing, _ = open_subset("folder", "folder", source)
        with audio_copies(folders, "folder", source.get("audio")) as conversion:
            found = scan_subset("own", "folder", listing, alignments=None, n_shards=1, conversion=conversion)
        return found, corpora.root(config, "own")

    plain, root = scan()
    assert root == str(tmp_path / "r")
    assert plain.utterances["audio"].tolist() == ["x/right.wav"]
    found, root = scan(resample=True, channels="mix")
    assert found.utterances["audio"].tolist() == ["folder/x/right.wav.flac", "folder/x/wide.wav.flac"]
    assert [len(read_audio(f"{root}/{audio}")) for audio in found.utterances["audio"]] == [16_000, 16_000]
    rows = found.report[["utterance", "code", "action"]].values.tolist()
    assert ["wide", "resampled", CONVERTED] in rows
    assert ["wide", "channels_mixed", CONVERTED] in rows
    assert ["cut", "corrupt_audio", "skipped"] in rows
    assert len(rows) == 3
    assert found.utterances["audio_digest"].nunique() == 2


def test_pocketsphinx_reads_recordings_as_they_are():
    section = {"kind": "librispeech", "root": "L", "subsets": ["a"], "alignments": {"kind": "pocketsphinx"}}
    rest = {"models": {"m": {"kind": "shipped", "name": "melhubert-mini"}}, "figures": {"corpus": "own", "model": "m"}}
    with pytest.raises(ConfigError, match=r"corpora\.own\.audio: PocketSphinx aligns recordings as they are"):
        load_config({"corpora": {"own": section | {"audio": {"resample": True}}}} | rest)
