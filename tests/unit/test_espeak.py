"""eSpeak NG: the same sound every time, and its sounds as timed ARPABET phones."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import parselmouth
import pytest

from property_neurons.corpus.demo import FEMALE_VOICES, MALE_VOICES
from property_neurons.corpus.espeak import SAMPLE_RATE, Sound, Speech, synthesise
from property_neurons.corpus.espeak_phones import pronounce, segments
from property_neurons.corpus.phones import PHONES, SILENCE, VOWELS
from property_neurons.errors import AlignmentError, CorpusError

SENTENCES = Path(__file__).resolve().parents[2] / "resources" / "demo" / "sentences.txt"
VOICES = [f"en-us+{variant}" for variant in (*FEMALE_VOICES, *MALE_VOICES)]
TEXT = "The old man took a long walk by the river, and the children could stay at home."


@pytest.fixture(scope="module")
def spoken() -> dict[str, Speech]:
    """One text in every voice of the demo corpus."""
    return _in_every_voice(TEXT)


def _in_every_voice(text: str) -> dict[str, Speech]:
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(VOICES, pool.map(lambda voice: synthesise(text, voice), VOICES), strict=True))


def _speech(*parts: tuple[str, float, float], starts_word: tuple[int, ...] = ()) -> Speech:
    """Hand-made speech: (mnemonic, seconds, level) in order; "" is silence that eSpeak does not announce."""
    sounds, pieces, position = [], [], 0
    for index, (mnemonic, seconds, level) in enumerate(parts):
        count = round(seconds * SAMPLE_RATE)
        if mnemonic:
            sounds.append(Sound(position, mnemonic, index in starts_word))
        pieces.append(np.where(np.arange(count) % 2, level, -level))
        position += count
    return Speech(np.concatenate(pieces).astype(np.int16), tuple(sounds))


def _found(speech: Speech) -> list[tuple[str, float, float]]:
    return [(segment.phone, round(segment.start, 3), round(segment.end, 3)) for segment in segments(speech)]


# -- synthesis


def test_an_utterance_does_not_depend_on_what_was_spoken_before():
    # f5 is breathy (random noise), f1 flutters, Reed is a Klatt voice: what eSpeak keeps from call to call.
    voices = ["en-us+f5", "en-us+f1", "en-us+Reed"]
    first = [synthesise("A noisy boy.", voice, rate=160, pitch=55) for voice in voices]
    again = [synthesise("A noisy boy.", voice, rate=160, pitch=55) for voice in reversed(voices)][::-1]
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.waveform, other.waveform)
        assert one.sounds == other.sounds


def test_sounds_come_in_order_and_within_the_waveform(spoken):
    for speech in spoken.values():
        assert speech.waveform.dtype == np.int16
        starts = [sound.start for sound in speech.sounds]
        assert starts == sorted(starts)
        assert 0 <= starts[0] < starts[-1] <= len(speech.waveform)
        assert sum(sound.starts_word for sound in speech.sounds) == len(TEXT.split())


def test_settings_change_the_speech():
    plain = synthesise("A long walk home.", "en-us+m1")
    assert len(synthesise("A long walk home.", "en-us+m1", rate=120).waveform) > 1.2 * len(plain.waveform)
    high = synthesise("A long walk home.", "en-us+m1", pitch=80)
    assert _median_f0(high) > 1.1 * _median_f0(plain)
    lively = synthesise("A long walk home.", "en-us+m1", pitch_range=90)
    assert not np.array_equal(lively.waveform, plain.waveform)


def test_unknown_voices_are_named():
    # eSpeak itself would take the plain voice for the first of these.
    for voice in ("en-us+nobody", "xx"):
        with pytest.raises(CorpusError, match=voice.partition("+")[2] or voice):
            synthesise("hello", voice)


def test_impossible_settings_are_refused():
    for setting in ({"rate": 79}, {"pitch": 100}, {"pitch_range": -1}):
        with pytest.raises(CorpusError, match=str(*setting.values())):
            synthesise("hello", "en-us", **setting)


# -- phones


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("treasure", "T R EH ZH ER"),
        ("voice", "V OY S"),
        ("car", "K AA R"),
        ("fire", "F AY ER"),
        ("near", "N IH R"),
        ("there", "DH EH R"),
        ("poor", "P UH R"),
        ("story", "S T AO R IY"),
        ("starry", "S T AA R IY"),
        ("hurry", "HH ER IY"),
        ("little", "L IH T AH L"),
        ("city", "S IH T IY"),
        ("world", "W ER L D"),
        ("church", "CH ER CH"),
        ("judge", "JH AH JH"),
        ("thing", "TH IH NG"),
        ("shook", "SH UH K"),
        ("house", "HH AW S"),
        ("yacht", "Y AA T"),
        ("being", "B IY IH NG"),
    ],
)
def test_pronunciations_are_those_of_the_cmu_dictionary(word, phones):
    assert pronounce(word) == tuple(phones.split())


def test_linking_sounds_belong_to_the_vowel_before_them():
    linked = [segment.phone for segment in segments(synthesise("the earth, far away", "en-us"))]
    assert [phone for phone in linked if phone != SILENCE] == ["DH", "IH", "ER", "TH", "F", "AA", "R", "AH", "W", "EY"]


@pytest.mark.slow
def test_every_sentence_maps_in_every_voice_and_all_phones_occur():
    text = SENTENCES.read_text().replace("\n", " ")
    for voice, speech in _in_every_voice(text).items():
        found = segments(speech)
        assert {segment.phone for segment in found} == {*PHONES, SILENCE}, voice
        assert found[0].start == 0
        assert found[-1].end == pytest.approx(len(speech.waveform) / SAMPLE_RATE)
        for one, following in itertools.pairwise(found):
            assert one.end == following.start
            assert one.end > one.start


def test_an_unknown_sound_is_named():
    with pytest.raises(AlignmentError, match=r"'y\^'"):
        segments(_speech(("h", 0.1, 900), ("y^", 0.1, 900)))


def test_a_word_without_sound_is_named():
    with pytest.raises(AlignmentError, match=r"'\.\.\.'"):
        pronounce("...")


def test_a_closure_belongs_to_its_stop_but_a_pause_does_not():
    speech = _speech(
        ("'a", 0.1, 9000), ("", 0.05, 0), ("t", 0.04, 3000), ("_:", 0.2, 0), ("", 0.05, 0), ("t", 0.04, 3000)
    )
    assert _found(speech) == [("AE", 0, 0.1), ("T", 0.1, 0.19), ("SIL", 0.19, 0.44), ("T", 0.44, 0.48)]


def test_an_echo_in_a_closure_is_not_taken_for_the_vowel():
    speech = _speech(("'a", 0.1, 9000), ("", 0.05, 450), ("k", 0.04, 3000))
    assert _found(speech) == [("AE", 0, 0.1), ("K", 0.1, 0.19)]


def test_an_l_that_ends_a_syllable_takes_its_part_of_the_vowel():
    # "milk": eSpeak gives the l nothing but the closure before the k.
    speech = _speech(("'I", 0.2, 9000), ("l", 0, 0), ("", 0.04, 0), ("k", 0.04, 3000))
    assert _found(speech) == [("IH", 0, 0.12), ("L", 0.12, 0.2), ("K", 0.2, 0.28)]


def test_an_l_before_a_vowel_keeps_its_time():
    # "yellow", and "bell of", whose l ends its word.
    parts = (("'E", 0.1, 9000), ("l", 0.06, 9000), ("oU", 0.1, 9000))
    assert _found(_speech(*parts)) == [("EH", 0, 0.1), ("L", 0.1, 0.144), ("OW", 0.144, 0.26)]
    assert _found(_speech(*parts, starts_word=(2,))) == [("EH", 0, 0.06), ("L", 0.06, 0.144), ("OW", 0.144, 0.26)]


def test_a_vowel_after_a_nasal_begins_before_its_announcement():
    assert _found(_speech(("m", 0.08, 900), ("i:", 0.1, 9000))) == [("M", 0, 0.064), ("IY", 0.064, 0.18)]


def test_vowels_are_louder_than_pauses(spoken):
    for voice, speech in spoken.items():
        power = speech.waveform.astype(np.float64) ** 2
        level = {
            kind: np.median([power[round(s.start * SAMPLE_RATE) : round(s.end * SAMPLE_RATE)].mean() for s in chosen])
            for kind, chosen in {
                "vowel": [s for s in segments(speech) if s.phone in VOWELS],
                "pause": [s for s in segments(speech) if s.phone == SILENCE],
            }.items()
        }
        assert level["vowel"] > 100 * level["pause"], voice


# -- voices


def _median_f0(speech: Speech) -> float:
    sound = parselmouth.Sound(speech.waveform / 2**15, SAMPLE_RATE)
    f0 = sound.to_pitch(pitch_floor=50, pitch_ceiling=500).selected_array["frequency"]
    return float(np.median(f0[f0 > 0]))


def _spectrum(speech: Speech) -> np.ndarray:
    """Mean log spectrum in dB of the louder half of 25 ms frames, in 24 bands to 8 kHz [24], its mean removed."""
    frames = speech.waveform[: len(speech.waveform) // 551 * 551].reshape(-1, 551) * np.hamming(551)
    power = np.abs(np.fft.rfft(frames)[:, 1:193]) ** 2 + 1
    loud = power[power.sum(1) > np.median(power.sum(1))].reshape(-1, 24, 8).mean(2)
    spectrum = 10 * np.log10(loud).mean(0)
    return spectrum - spectrum.mean()


def test_female_voices_are_higher_than_all_male_ones(spoken):
    f0 = {voice: _median_f0(speech) for voice, speech in spoken.items()}
    female = [f0[f"en-us+{variant}"] for variant in FEMALE_VOICES]
    male = [f0[f"en-us+{variant}"] for variant in MALE_VOICES]
    assert len(female) == len(male) == 12
    assert min(female) > 165
    assert max(male) < 155


def test_no_two_voices_sound_alike(spoken):
    spectra = np.array([_spectrum(speech) for speech in spoken.values()])
    distance = np.sqrt(((spectra[:, None] - spectra[None]) ** 2).mean(-1)) + 100 * np.eye(len(VOICES))
    first, second = np.unravel_index(distance.argmin(), distance.shape)
    assert distance.min() > 1, (VOICES[first], VOICES[second])
