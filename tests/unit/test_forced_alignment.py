"""Forced alignment with PocketSphinx, held against the demo corpus's true phone times."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from property_neurons.corpus import forced_alignment
from property_neurons.corpus.alignments import Alignment
from property_neurons.corpus.audio import read_audio
from property_neurons.corpus.demo import make_demo_corpus
from property_neurons.corpus.espeak import synthesise
from property_neurons.corpus.forced_alignment import align_subset, align_utterance
from property_neurons.corpus.phones import LABEL_IDS, SILENCE_ID, SPOKEN_NOISE_ID
from property_neurons.corpus.textgrid import read_textgrid
from property_neurons.corpus.transcripts import read_transcripts
from property_neurons.errors import AlignmentError, CorpusError
from tests.agreement import agreement

SENTENCES = Path(__file__).resolve().parents[2] / "resources" / "demo" / "sentences.txt"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Two utterances, one of each gender."""
    root = tmp_path_factory.mktemp("forced") / "source"
    make_demo_corpus(root, voices=2, minutes=0.1, seed=0, sentences=SENTENCES)
    return root


@pytest.fixture(scope="module")
def utterances(corpus):
    """[(waveform, transcript, true alignment)]."""
    transcripts = read_transcripts(corpus / "LibriSpeech")
    return [
        (read_audio(path), transcripts[path.stem][0], read_textgrid(next(corpus.rglob(f"{path.stem}.TextGrid"))))
        for path in sorted(corpus.rglob("*.flac"))
    ]


def _equal(one: Alignment, other: Alignment) -> bool:
    return one.end == other.end and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("starts", "ends", "labels")
    )


def test_phones_are_found_where_they_are(utterances):
    # Measured over the whole demo corpus: 0.80 of all cells, boundaries within 9 ms (median).
    overall, speech, boundary_ms = agreement((truth, align_utterance(wave, text)) for wave, text, truth in utterances)
    assert overall > 0.7
    assert speech > 0.7
    assert boundary_ms < 15


def test_phones_are_neither_early_nor_late(utterances):
    errors = []
    for waveform, text, truth in utterances:
        found = align_utterance(waveform, text)
        for start, label in zip(truth.starts, truth.labels, strict=True):
            same = found.starts[found.labels == label]
            if label != SILENCE_ID and same.size:
                nearest = same[np.abs(same - start).argmin()]
                errors.append(int(nearest - start))
    close = [error for error in errors if abs(error) < 50_000]
    assert len(close) > 0.8 * len(errors)
    assert abs(np.median(close)) < 6_000


def test_segments_are_contiguous_to_the_end_of_the_audio(utterances):
    waveform, text, _ = utterances[0]
    odd = align_utterance(waveform[:-7], text)
    assert odd.starts[0] == 0
    assert odd.end == odd.ends[-1] == (len(waveform) - 7) * 1_000_000 // 16_000
    assert np.array_equal(odd.starts[1:], odd.ends[:-1])
    assert np.all(odd.ends > odd.starts)
    assert odd.labels.dtype == np.int8


def test_the_words_are_those_of_the_transcript(utterances):
    waveform, text, _ = utterances[0]
    spoken = [label for label in align_utterance(waveform, text).labels if label not in (SILENCE_ID, SPOKEN_NOISE_ID)]
    assert "THE" in text.split()
    assert LABEL_IDS["DH"] in spoken
    assert 2 * len(text.split()) < len(spoken) < len(text.replace(" ", ""))


def test_an_alignment_does_not_depend_on_the_one_before(utterances):
    (first, text, _), (second, other_text, _) = utterances[:2]
    before = align_utterance(first, text)
    align_utterance(second, other_text)
    align_utterance(0.3 * second[: len(second) // 2], "wibblefrotz " + other_text)
    assert _equal(align_utterance(first, text), before)


def test_unknown_words_are_pronounced_by_espeak(utterances):
    waveform = _say("the old wibblefrotz is in the garden")
    assert forced_alignment._decoder(True).lookup_word("snarkboojum") is None
    spoken = [int(label) for label in align_utterance(waveform, "THE OLD WIBBLEFROTZ IS IN THE GARDEN").labels]
    name = [LABEL_IDS[phone] for phone in ("W", "IH", "B", "AH", "L", "F", "R")]
    spoken = [label for label in spoken if label != SILENCE_ID]
    assert any(spoken[index : index + len(name)] == name for index in range(len(spoken)))


def _say(text: str, voice: str = "en-us+m1") -> np.ndarray:
    samples = resample_poly(synthesise(text, voice).waveform / 2**15, 320, 441)
    samples = np.concatenate([np.zeros(4000), samples, np.zeros(4000)])
    return (samples + np.random.default_rng(0).normal(0, 5e-4, len(samples))).astype(np.float32)


def test_strange_voices_are_aligned_without_pruning():
    # A voice that PocketSphinx loses within its usual beams.
    text = "she asked her mother whether the children could stay for dinner"
    waveform = _say(text, "en-us+zac")
    pcm = (waveform * 32767).astype(np.int16).tobytes()
    assert forced_alignment._search(pcm, text.split(), pruned=True) is None
    assert align_utterance(waveform, text).labels.size > 30


def test_pruning_changes_next_to_nothing_where_it_succeeds(utterances):
    waveform, text, _ = utterances[0]
    pcm = np.rint(waveform * 32767).astype(np.int16).tobytes()
    pruned, full = (forced_alignment._search(pcm, text.lower().split(), pruned=flag) for flag in (True, False))
    assert [label for _, label in pruned] == [label for _, label in full]
    assert max(abs(one - other) for (one, _), (other, _) in zip(pruned, full, strict=True)) <= 1


def test_an_empty_transcript_is_refused():
    with pytest.raises(AlignmentError, match="transcript"):
        align_utterance(np.zeros(16_000, np.float32), "  ")


def test_punctuation_and_accents_change_nothing():
    waveform = _say("the old man sat in a cafe with mister smith")
    plain = align_utterance(waveform, "THE OLD MAN SAT IN A CAFE WITH MISTER SMITH")
    assert _equal(
        align_utterance(waveform, "\u201cThe old man,\u201d sat \u2014 in a 'Caf\u00e9' with Mr. Smith..."), plain
    )


def test_markup_is_refused_and_harms_nothing(utterances):
    waveform, text, _ = utterances[0]
    before = align_utterance(waveform, text)
    with pytest.raises(AlignmentError, match=r"found '\[noise\]'"):
        align_utterance(waveform, f"{text} [noise]")
    assert _equal(align_utterance(waveform, text), before)


def test_a_transcript_that_does_not_fit_is_refused_and_harms_nothing(utterances):
    waveform, text, _ = utterances[0]
    before = align_utterance(waveform, text)
    with pytest.raises(AlignmentError, match=r"0\.30 s"):
        align_utterance(waveform[8000:12_800], text)
    assert _equal(align_utterance(waveform, text), before)


# -- a subset


def test_every_utterance_is_aligned_or_listed(corpus, tmp_path):
    root = tmp_path / "LibriSpeech"
    shutil.copytree(corpus / "LibriSpeech", root)
    folder = root / "demo" / "1" / "101"
    good = folder / "1-101-0000.flac"
    transcripts = folder / "1-101.trans.txt"
    shutil.copy(good, folder / "1-101-0900.flac")
    shutil.copy(good, folder / "1-101-0901.flac")
    (folder / "1-101-0902.flac").write_bytes(good.read_bytes()[:20_000])
    soundfile.write(folder / "1-101-0903.flac", read_audio(good)[:4000], 16_000)
    lines = ["1-101-0901", "1-101-0902 THE BOY", "1-101-0903 THE BOY TOOK A LONG LOOK", "1-101-0904 NO AUDIO"]
    transcripts.write_text(transcripts.read_text() + "\n".join(lines) + "\n")

    table = align_subset(root, "demo", tmp_path / "out" / "demo")

    assert table.columns.tolist() == ["subset", "utterance", "code", "detail"]
    assert table["utterance"].tolist() == [f"1-101-09{number:02d}" for number in range(5)]
    assert set(table["subset"]) == {"demo"}
    assert set(table["code"]) == {"alignment_failed"}
    reasons = ["1 and 0", "transcript with words", "corrupt_audio", "no way to fit", "0 and 1"]
    for reason, detail in zip(reasons, table["detail"], strict=True):
        assert reason in detail
    written = sorted(path.relative_to(tmp_path / "out" / "demo") for path in (tmp_path / "out").rglob("*.TextGrid"))
    assert written == [Path("1/101/1-101-0000.TextGrid"), Path("2/102/2-102-0000.TextGrid")]
    for name in written:
        alignment = read_textgrid(tmp_path / "out" / "demo" / name)
        audio = soundfile.info((root / "demo" / name).with_suffix(".flac"))
        assert alignment.end == audio.frames * 1_000_000 // 16_000
        assert agreement([(read_textgrid(corpus / "alignments" / "demo" / name), alignment)])[0] > 0.7


def test_no_transcript_is_laid_on_part_of_an_utterance(corpus, tmp_path, monkeypatch):
    folder = tmp_path / "LibriSpeech" / "demo" / "1" / "101"
    folder.mkdir(parents=True)
    samples = read_audio(next(corpus.rglob("1-101-0000.flac")))

    def coded(form, **options):
        file = io.BytesIO()
        soundfile.write(file, samples, 16_000, format=form, **options)
        return file.getvalue()

    parts = {
        "sphere.wav": coded("NIST", subtype="PCM_16")[: len(samples)],
        "variable.mp3": (mp3 := coded("MP3", bitrate_mode="VARIABLE"))[mp3.index(mp3[:4], 4) :],
        "aiff.wav": coded("AIFF")[: len(samples)],
        "wav.wav": coded("WAV")[: len(samples)],
        "stream.wav": coded("WAV").replace(b"data" + (2 * len(samples)).to_bytes(4, "little"), b"data" + bytes(4)),
    }
    for name, content in parts.items():
        (folder / f"1-101-{name}").write_bytes(content)
    utterances = sorted(f"1-101-{name.partition('.')[0]}" for name in parts)
    (folder / "1-101.trans.txt").write_text("".join(f"{utterance} THE BOY\n" for utterance in utterances))
    monkeypatch.setattr(forced_alignment, "align_utterance", lambda *_: pytest.fail("the aligner has seen a part"))

    table = align_subset(tmp_path / "LibriSpeech", "demo", tmp_path / "out")

    assert table["utterance"].tolist() == utterances
    codes = ["unsupported_container", "corrupt_audio", "unknown_length", "unknown_length", "corrupt_audio"]
    for code, detail in zip(codes, table["detail"], strict=True):
        assert f": {code}: expected" in detail


def test_the_result_does_not_depend_on_the_number_of_processes(corpus, tmp_path):
    for workers in (1, 2):
        assert align_subset(corpus / "LibriSpeech", "demo", tmp_path / str(workers), workers=workers).empty
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / name).rglob("*.TextGrid")} for name in "12")
    assert one == two
    assert len(one) == 2


def test_what_was_aligned_before_is_taken_and_what_was_corrected_is_aligned(corpus, tmp_path, monkeypatch):
    """A run that was killed goes on, and so does one on a copy of the corpus elsewhere."""
    root, finished, aligned = tmp_path / "moved", tmp_path / "finished", []
    shutil.copytree(corpus / "LibriSpeech", root)
    align = forced_alignment.align_utterance
    monkeypatch.setattr(forced_alignment, "align_utterance", lambda *given: aligned.append(given[1]) or align(*given))

    def run(name, root=root, code="1"):
        aligned.clear()
        assert align_subset(root, "demo", tmp_path / name, finished=finished, code=code).empty
        return {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.TextGrid")}

    whole = run("first", corpus / "LibriSpeech")
    assert len(aligned) == len(whole) == 2
    assert run("moved-away") == whole
    assert not aligned
    # One is damaged, and one transcript is corrected.
    transcripts = root / "demo/1/101/1-101.trans.txt"
    text = transcripts.read_text()
    transcripts.write_text(" ".join(text.split()[:-1]) + "\n")
    run("corrected")
    assert len(aligned) == 1
    transcripts.write_text(text)
    next(finished.rglob("*.TextGrid")).write_text("cut")
    assert run("damaged") == whole
    assert len(aligned) <= 1
    run("other code", code="2")
    assert len(aligned) == 2


def test_a_missing_or_empty_subset_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="nowhere"):
        align_subset(tmp_path, "nowhere", tmp_path / "out")
    (tmp_path / "bare").mkdir()
    with pytest.raises(CorpusError, match="neither"):
        align_subset(tmp_path, "bare", tmp_path / "out")
    assert not (tmp_path / "out").exists()
