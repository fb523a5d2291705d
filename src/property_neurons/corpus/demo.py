"""The demo corpus: synthetic speech by eSpeak NG in LibriSpeech's layout, with the synthesiser's own phone times.

root/LibriSpeech/SPEAKERS.TXT
root/LibriSpeech/demo/{speaker}/{chapter}/{speaker}-{chapter}-{number}.flac, {speaker}-{chapter}.trans.txt
root/alignments/demo/{speaker}/{chapter}/{speaker}-{chapter}-{number}.TextGrid

It is for trying the workflow, not for findings: 24 formant synthesisers are not 24 speakers. The same arguments
give the same bytes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from property_neurons.corpus.alignments import Alignment
from property_neurons.corpus.audio import SAMPLE_RATE
from property_neurons.corpus.espeak import SAMPLE_RATE as ESPEAK_SAMPLE_RATE
from property_neurons.corpus.espeak import Speech, synthesise
from property_neurons.corpus.espeak_phones import segments
from property_neurons.corpus.phones import LABEL_IDS
from property_neurons.corpus.textgrid import write_textgrid
from property_neurons.errors import CorpusError
from property_neurons.progress import progress
from property_neurons.stores.files import new_folder

SUBSET = "demo"
# Variants of eSpeak NG that are understood as speech (PocketSphinx aligns them with at least 72 % of the phone cells
# right), differ from each other by 1 dB or more in their mean spectra, and have the F0 of their gender: medians of
# 175 to 271 Hz and 83 to 144 Hz. Whispers, robots and voices with strong echoes are left out.
FEMALE_VOICES = ("f1", "f2", "f3", "f4", "f5", "steph", "linda", "anika", "grandma", "Annie", "belinda", "Andrea")
MALE_VOICES = ("m1", "m3", "m5", "m7", "m8", "Reed", "miguel", "Nguyen", "ed", "sandro", "Gene", "benjamin")

_RATES = (155, 185)  # words a minute
_PITCHES = (42, 58)  # eSpeak's scale, 50 = as the variant defines
_PITCH_RANGES = (40, 65)
_WORDS_PER_UTTERANCE = 30  # at least; this makes about 7 to 14 s
_MARGIN = SAMPLE_RATE // 4  # of silence before and after the speech
_LEVEL = 10 ** (-24 / 20)  # RMS, re full scale: LibriSpeech's median
# eSpeak pauses in digital silence, where log-Mel energies and F0 trackers degenerate. LibriSpeech's own pauses have
# a median of -65 dB.
_NOISE_LEVEL = 10 ** (-65 / 20)
_MILLISECOND = SAMPLE_RATE // 1000

_SPEAKERS_HEADER = """\
; Some pipe(|) separated metadata about all the synthetic voices that were used
; in the corpus.
;
; The meaning of the fields in left-to-right order is as follows:
;
; reader_id: the ID of the voice
; gender: 'F' for female, 'M' for male
; subset: the corpus subset to which the voice's audio is assigned
; duration: total number of minutes of speech by the voice, included in the corpus
; name: the variant of eSpeak NG
;
;ID  |SEX| SUBSET           |MINUTES| NAME
"""


@dataclass(frozen=True)
class DemoSummary:
    """What was made: numbers of speakers and utterances, and minutes of audio."""

    speakers: int
    utterances: int
    minutes: float


@dataclass(frozen=True)
class _Voice:
    speaker: str
    gender: str
    variant: str
    rate: int
    pitch: int
    pitch_range: int
    first_sentence: int


def make_demo_corpus(root: str | Path, *, voices: int, minutes: float, seed: int, sentences: str | Path) -> DemoSummary:
    """Make the corpus below `root`, which appears only when all of it is there.

    Args:
        root: folder to make; must not exist, or be empty.
        voices: how many speakers, half female and half male.
        minutes: least total duration; every speaker gets the same part of it, and ends with a whole utterance.
        seed: of the order of the sentences, the settings of the voices, and the background noise.
        sentences: text file with one sentence a line. A female and a male voice read the same ones, and all
            pairs together read all sentences about equally often.

    Raises:
        CorpusError: impossible arguments, or eSpeak NG fails.
        StoreError: `root` is not empty.
    """
    most = 2 * min(len(FEMALE_VOICES), len(MALE_VOICES))
    if voices % 2 or not 2 <= voices <= most or minutes <= 0:
        raise CorpusError(
            f"demo corpus: expected an even number of voices from 2 to {most} and a positive duration, "
            f"found {voices} voices and {minutes} minutes; correct the config"
        )
    texts = [line.strip() for line in Path(sentences).read_text(encoding="utf-8").splitlines() if line.strip()]
    if not texts:
        raise CorpusError(f"{sentences}: expected one sentence a line, found none; give a file with sentences")
    rng = np.random.default_rng(seed)
    texts = [texts[index] for index in rng.permutation(len(texts))]
    cast = _cast(voices, len(texts), rng)
    with new_folder(root) as tree:
        made = [
            _read_aloud(tree, voice, _utterances(texts, voice.first_sentence), minutes * 60 / voices, seed)
            for voice in progress(cast, what="demo corpus", unit="voice")
        ]
        _write_speakers(tree / "LibriSpeech" / "SPEAKERS.TXT", cast, [seconds for _, seconds in made])
    return DemoSummary(len(cast), sum(count for count, _ in made), sum(seconds for _, seconds in made) / 60)


def _cast(voices: int, n_sentences: int, rng: np.random.Generator) -> list[_Voice]:
    """A female and a male voice in turn; the two of a pair begin with the same sentence."""
    pairs = voices // 2
    return [
        _Voice(
            speaker=str(2 * pair + offset + 1),
            gender=gender,
            variant=variants[pair],
            rate=int(rng.integers(*_RATES, endpoint=True)),
            pitch=int(rng.integers(*_PITCHES, endpoint=True)),
            pitch_range=int(rng.integers(*_PITCH_RANGES, endpoint=True)),
            first_sentence=pair * n_sentences // pairs,
        )
        for pair in range(pairs)
        for offset, (gender, variants) in enumerate((("F", FEMALE_VOICES), ("M", MALE_VOICES)))
    ]


def _utterances(texts: list[str], first: int) -> Iterator[str]:
    """Endlessly, a few sentences at a time, from sentence `first` on."""
    index = first
    while True:
        utterance: list[str] = []
        while sum(len(text.split()) for text in utterance) < _WORDS_PER_UTTERANCE:
            utterance.append(texts[index % len(texts)])
            index += 1
        yield " ".join(utterance)


def _read_aloud(tree: Path, voice: _Voice, texts: Iterator[str], seconds: float, seed: int) -> tuple[int, float]:
    """Write one speaker's utterances, at least `seconds` of them; return their number and duration in seconds."""
    chapter = f"{voice.speaker}-{100 + int(voice.speaker)}"
    place = Path(*chapter.split("-"))
    audio, alignments = tree / "LibriSpeech" / SUBSET / place, tree / "alignments" / SUBSET / place
    audio.mkdir(parents=True)
    alignments.mkdir(parents=True)
    total, lines = 0.0, []
    while total < seconds:
        number, text = len(lines), next(texts)
        utterance = f"{chapter}-{number:04d}"
        speech = synthesise(
            text, f"en-us+{voice.variant}", rate=voice.rate, pitch=voice.pitch, pitch_range=voice.pitch_range
        )
        samples = _recorded(speech, np.random.default_rng([seed, int(voice.speaker), number]))
        soundfile.write(audio / f"{utterance}.flac", samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        write_textgrid(alignments / f"{utterance}.TextGrid", _alignment(speech, len(samples)))
        lines.append(f"{utterance} {_transcript(text)}\n")
        total += len(samples) / SAMPLE_RATE
    (audio / f"{chapter}.trans.txt").write_text("".join(lines), encoding="utf-8")
    return len(lines), total


def _recorded(speech: Speech, rng: np.random.Generator) -> np.ndarray:
    """The utterance at 16 kHz, int16 [N]: at a common level, between silences, over background noise.

    N is a whole number of milliseconds, so that the end can be told exactly in microseconds.
    """
    voice = resample_poly(speech.waveform.astype(np.float64), SAMPLE_RATE // 50, ESPEAK_SAMPLE_RATE // 50)
    voice *= _LEVEL / np.sqrt(np.mean(voice**2))
    length = -(-(len(voice) + 2 * _MARGIN) // _MILLISECOND) * _MILLISECOND
    samples = rng.normal(0, _NOISE_LEVEL, length)
    samples[_MARGIN : _MARGIN + len(voice)] += voice
    return np.rint(np.clip(samples, -1, 1) * (2**15 - 1)).astype(np.int16)


def _alignment(speech: Speech, n_samples: int) -> Alignment:
    found = segments(speech)
    margin = _MARGIN * 1_000_000 // SAMPLE_RATE
    edges = np.array([0.0, *(segment.end for segment in found)])
    edges = np.rint(edges * 1e6).astype(np.int64) + margin
    labels = np.array([LABEL_IDS[segment.phone] for segment in found], dtype=np.int8)
    return Alignment(edges[:-1], edges[1:], labels, n_samples * 1_000_000 // SAMPLE_RATE)


def _transcript(text: str) -> str:
    return " ".join(re.findall(r"[A-Z']+", text.upper()))


def _write_speakers(path: Path, cast: list[_Voice], seconds: list[float]) -> None:
    lines = [
        f"{voice.speaker:<4} | {voice.gender} | {SUBSET:<16} | {duration / 60:5.2f} | eSpeak NG en-us+{voice.variant}\n"
        for voice, duration in zip(cast, seconds, strict=True)
    ]
    path.write_text(_SPEAKERS_HEADER + "".join(lines), encoding="utf-8")
