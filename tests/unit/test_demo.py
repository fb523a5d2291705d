"""The demo corpus: LibriSpeech's layout, true phone times, the same bytes every time, whole or absent."""

import hashlib
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from property_neurons.corpus import demo
from property_neurons.corpus.audio import read_audio
from property_neurons.corpus.demo import make_demo_corpus
from property_neurons.corpus.genders import read_speakers
from property_neurons.corpus.librispeech import list_librispeech
from property_neurons.corpus.phones import LABEL_IDS, PHONES, SILENCE_ID, UNVOICED_CONSONANTS, VOWELS
from property_neurons.corpus.scan import scan_subset
from property_neurons.corpus.textgrid import read_textgrid
from property_neurons.corpus.textgrid_source import TextGridSource
from property_neurons.corpus.transcripts import read_transcripts
from property_neurons.errors import CorpusError, StoreError

SENTENCES = Path(__file__).resolve().parents[2] / "resources" / "demo" / "sentences.txt"
SMALL = {"voices": 4, "minutes": 1.0, "seed": 3, "sentences": SENTENCES}
TINY = {"voices": 2, "minutes": 0.1, "seed": 0, "sentences": SENTENCES}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(root, summary) of a small corpus."""
    root = tmp_path_factory.mktemp("demo") / "source"
    return root, make_demo_corpus(root, **SMALL)


def _tree(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _audio(root: Path) -> list[Path]:
    return sorted((root / "LibriSpeech" / "demo").rglob("*.flac"))


def _textgrid(root: Path, audio: Path) -> Path:
    return (root / "alignments" / audio.relative_to(root / "LibriSpeech")).with_suffix(".TextGrid")


def test_the_scan_finds_nothing_wrong(made):
    root, summary = made
    genders = read_speakers(root / "LibriSpeech" / "SPEAKERS.TXT")
    source = TextGridSource(root / "alignments" / "demo")
    listing = list_librispeech(root / "LibriSpeech", "demo", genders, source.utterances())
    scan = scan_subset("demo", "demo", listing, alignments=source, n_shards=2)
    assert scan.report.empty
    assert len(scan.utterances) == summary.utterances
    assert scan.utterances["n_samples"].sum() / 16_000 / 60 == pytest.approx(summary.minutes)


def test_half_of_the_voices_are_female_and_all_read_long_enough(made):
    root, summary = made
    assert Counter(read_speakers(root / "LibriSpeech" / "SPEAKERS.TXT").values()) == {"F": 2, "M": 2}
    assert summary.speakers == 4
    assert summary.minutes >= SMALL["minutes"]
    seconds = Counter()
    for audio in _audio(root):
        seconds[audio.name.split("-")[0]] += soundfile.info(audio).duration
    assert len(seconds) == 4
    assert min(seconds.values()) >= 60 * SMALL["minutes"] / SMALL["voices"]


def test_audio_is_16_khz_mono_of_utterance_length(made):
    for audio in _audio(made[0]):
        info = soundfile.info(audio)
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
        assert 7 < info.duration < 15


def test_alignments_end_with_the_audio_to_the_microsecond(made):
    for audio in _audio(made[0]):
        alignment = read_textgrid(_textgrid(made[0], audio))
        assert alignment.end * 16 == soundfile.info(audio).frames * 1000
        assert alignment.starts[0] == 0
        assert alignment.ends[-1] == alignment.end
        assert np.array_equal(alignment.starts[1:], alignment.ends[:-1])


def test_phones_are_where_the_sound_is(made):
    """Vowels are loud, silences are not, and unvoiced consonants have more of their energy above 3 kHz."""
    power = {kind: [] for kind in ("vowel", "unvoiced", "silence")}
    treble = {kind: [] for kind in power}
    for audio in _audio(made[0]):
        waveform, alignment = read_audio(audio), read_textgrid(_textgrid(made[0], audio))
        for start, end, label in zip(alignment.starts, alignment.ends, alignment.labels, strict=True):
            kind = _kind(label)
            piece = waveform[start * 16 // 1000 : end * 16 // 1000]
            if kind is None or len(piece) < 160:
                continue
            spectrum = np.abs(np.fft.rfft(piece)) ** 2
            power[kind].append(10 * np.log10(np.mean(piece**2)))
            treble[kind].append(spectrum[len(spectrum) * 3 // 8 :].sum() / spectrum.sum())
    assert np.median(power["vowel"]) > np.median(power["silence"]) + 25
    assert np.quantile(power["vowel"], 0.05) > np.quantile(power["silence"], 0.9)
    assert np.median(treble["unvoiced"]) > 0.5
    assert np.median(treble["vowel"]) < 0.1


def _kind(label: int) -> str | None:
    if label == SILENCE_ID:
        return "silence"
    if PHONES[label] in VOWELS:
        return "vowel"
    return "unvoiced" if PHONES[label] in UNVOICED_CONSONANTS else None


def test_there_is_no_digital_silence(made):
    for audio in _audio(made[0]):
        blocks = read_audio(audio)[: 400 * (soundfile.info(audio).frames // 400)].reshape(-1, 400)
        assert blocks.std(axis=1).min() > 3e-4


def test_transcripts_are_upper_case_words_of_the_sentences(made):
    known = {tuple(re.sub(r"[^\w']", " ", line).upper().split()) for line in SENTENCES.read_text().splitlines()}
    transcripts = read_transcripts(made[0] / "LibriSpeech" / "demo")
    assert set(transcripts) == {audio.stem for audio in _audio(made[0])}
    for (text,) in transcripts.values():
        words = tuple(text.split())
        while words:
            length = next(n for n in range(1, len(words) + 1) if words[:n] in known)
            words = words[length:]


def test_a_female_and_a_male_voice_read_the_same_sentences(made):
    texts = {}
    for utterance, (text,) in read_transcripts(made[0] / "LibriSpeech" / "demo").items():
        speaker, _, number = utterance.split("-")
        texts[speaker, number] = text
    for female, male in (("1", "2"), ("3", "4")):
        assert texts[female, "0000"] == texts[male, "0000"]
        assert texts[female, "0001"] == texts[male, "0001"]
    assert texts["1", "0000"] != texts["3", "0000"]


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(tmp_path):
    code = (
        "import sys; from property_neurons.corpus.demo import make_demo_corpus; "
        f"make_demo_corpus(sys.argv[1], voices=2, minutes=0.1, seed=0, sentences={str(SENTENCES)!r})"
    )
    for name, salt in (("one", "1"), ("two", "2")):
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / name)],
            check=True,
            capture_output=True,
            env={"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": salt},
        )
    one = _tree(tmp_path / "one")
    assert one == _tree(tmp_path / "two")
    assert len(one) >= 2 * 3 + 1


def test_an_utterance_does_not_depend_on_the_others(made, tmp_path):
    """The first utterances of a shorter corpus are those of a longer one."""
    make_demo_corpus(tmp_path / "short", **SMALL | {"minutes": 0.1})
    long, short = _tree(made[0]), _tree(tmp_path / "short")
    shared = [name for name in short if name.endswith((".flac", ".TextGrid"))]
    assert shared
    assert all(short[name] == long[name] for name in shared)


def test_another_seed_gives_another_corpus(made, tmp_path):
    make_demo_corpus(tmp_path / "other", **SMALL | {"minutes": 0.1, "seed": 4})
    mine, other = _tree(made[0]), _tree(tmp_path / "other")
    assert not [name for name in mine.keys() & other.keys() if name.endswith(".flac") and mine[name] == other[name]]


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    calls = []

    def fail_at_last(*arguments, **settings):
        calls.append(arguments)
        if len(calls) == 2:
            raise CorpusError("stop")
        return synthesise(*arguments, **settings)

    synthesise = demo.synthesise
    monkeypatch.setattr(demo, "synthesise", fail_at_last)
    with pytest.raises(CorpusError, match="stop"):
        make_demo_corpus(tmp_path / "source", **TINY)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("dear")
    with pytest.raises(StoreError, match="delete it"):
        make_demo_corpus(tmp_path, **TINY)
    assert (tmp_path / "mine.txt").read_text() == "dear"


@pytest.mark.parametrize("wrong", [{"voices": 3}, {"voices": 0}, {"voices": 26}, {"minutes": 0}])
def test_impossible_settings_are_refused(tmp_path, wrong):
    with pytest.raises(CorpusError, match=str(*wrong.values())):
        make_demo_corpus(tmp_path / "source", **TINY | wrong)


def test_no_sentences_are_refused(tmp_path):
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(CorpusError, match=r"empty\.txt"):
        make_demo_corpus(tmp_path / "source", **TINY | {"sentences": tmp_path / "empty.txt"})


def test_the_sentences_are_what_the_corpus_is_planned_for():
    sentences = SENTENCES.read_text().splitlines()
    assert len(sentences) == len(set(sentences)) == 80
    assert all(6 <= len(sentence.split()) <= 14 for sentence in sentences)
    assert all(re.fullmatch(r"[A-Za-z' ,;-]+\.|[A-Za-z' ,]+\?", sentence) for sentence in sentences)


def test_rare_phones_are_not_rare(made):
    labels = np.concatenate([read_textgrid(_textgrid(made[0], audio)).labels for audio in _audio(made[0])])
    assert set(labels.tolist()) >= set(range(len(PHONES)))
    assert np.mean(labels == LABEL_IDS["ZH"]) > 0.005
    assert np.mean(labels == LABEL_IDS["OY"]) > 0.005
