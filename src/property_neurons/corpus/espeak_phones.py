"""From eSpeak NG's American English sounds to timed ARPABET phones.

The choices follow the CMU dictionary, as forced alignments of LibriSpeech do: a flap is T, a syllabic l is AH L,
an r-coloured vowel is vowel + R. Times differ from the announced ones in three places, so that they are those of
the sound: a stop includes its closure (eSpeak announces a sound after the silence before it), a vowel after a nasal
or glide begins where it is heard (eSpeak announces it after its onset), and the l or r that ends a syllable has its
part of the vowel it is spoken with (eSpeak gives it little or no time of its own).
"""

from dataclasses import dataclass

import numpy as np

from property_neurons.corpus.espeak import SAMPLE_RATE, Sound, Speech, synthesise
from property_neurons.corpus.phones import SILENCE, VOWELS
from property_neurons.errors import AlignmentError

# Sounds that are two phones, with the first one's share of the time: between the medians that the Montreal Forced
# Aligner (LibriSpeech train-clean-100) and PocketSphinx (test-clean) give for the same pairs, where they occur there.
_PAIRS = {
    "A@": ("AA", "R", 0.55),
    "O@": ("AO", "R", 0.50),
    "o@": ("AO", "R", 0.50),
    "e@": ("EH", "R", 0.45),
    "i@3": ("IH", "R", 0.55),
    "U@": ("UH", "R", 0.45),
    "i@": ("IY", "AH", 0.55),
    "aI@": ("AY", "AH", 0.60),
    "aI3": ("AY", "ER", 0.60),
    "aU@": ("AW", "ER", 0.60),
    "@L": ("AH", "L", 0.35),
}
_SINGLES = {
    # vowels
    "@": "AH", "@2": "AH", "@-": "AH", "a#": "AH", "V": "AH",
    "I": "IH", "I2": "IH", "I#": "IH", "i": "IY", "i:": "IY",
    "E": "EH", "3": "ER", "3:": "ER", "a": "AE", "aa": "AE",
    "aI": "AY", "eI": "EY", "O:": "AO", "O": "AO", "O~": "AO",
    "0": "AA", "O2": "AA", "A:": "AA", "A~": "AA",
    "oU": "OW", "u:": "UW", "aU": "AW", "U": "UH", "OI": "OY",
    # consonants; n- is syllabic, l# reduced, x the last sound of "loch"
    "n": "N", "n-": "N", "d": "D", "r": "R", "r-": "R", "l": "L", "l#": "L", "D": "DH", "m": "M", "z": "Z",
    "w": "W", "v": "V", "b": "B", "N": "NG", "g": "G", "j": "Y", "dZ": "JH", "Z": "ZH",
    "t": "T", "t2": "T", "t#": "T", "?": "T", "s": "S", "k": "K", "x": "K", "h": "HH", "f": "F", "p": "P",
    "S": "SH", "T": "TH", "tS": "CH",
}  # fmt: skip
_LINKING_J = ";"
_STRESS_MARKS = "',%="
# What a coda's l takes from the vowel it is spoken with (MFA's medians: 0.3 after AO to 0.6 after EH).
_CODA_L_SHARE = 0.4
_LONGEST_CLOSURE = 0.1  # seconds
_CLOSURE_LEVEL = 0.06  # of the preceding peak; a variant's echo stays below it
# How long before its announcement a vowel is heard, by the sound before it: the median time, in seconds, of the
# steepest rise between 600 and 4000 Hz after a nasal (the same for all voices); glides have no such step.
_ONSET = {"m": 0.016, "n": 0.016, "N": 0.042, "l": 0.016, "r": 0.016, "r-": 0.016, "w": 0.016, "j": 0.016}


@dataclass(frozen=True)
class Segment:
    """One phone (or SIL) from `start` to `end`, in seconds."""

    start: float
    end: float
    phone: str


def segments(speech: Speech) -> list[Segment]:
    """The phones of an utterance, contiguous from 0 to its end; pauses are SIL.

    Raises:
        AlignmentError: eSpeak announced a sound that has no place in the table.
    """
    sounds = [Sound(sound.start, sound.mnemonic.lstrip(_STRESS_MARKS), sound.starts_word) for sound in speech.sounds]
    starts = _heard_starts(sounds, speech.waveform)
    ends = [*starts[1:], len(speech.waveform) / SAMPLE_RATE]

    result = [Segment(0.0, starts[0] if starts else ends[-1], SILENCE)]
    for index, (sound, start, end) in enumerate(zip(sounds, starts, ends, strict=True)):
        previous = result[-1]
        if _continues(previous.phone, sound):
            result[-1] = Segment(previous.start, end, previous.phone)
        elif _is_coda_l(sounds, index):
            middle = start - _CODA_L_SHARE * (previous.end - previous.start)
            result[-1:] = [Segment(previous.start, middle, previous.phone), Segment(middle, end, "L")]
        else:
            result.extend(_phones(sound, start, end))
    return _joined_silences(result)


def pronounce(word: str, voice: str = "en-us") -> tuple[str, ...]:
    """The ARPABET pronunciation that eSpeak gives a word, for dictionaries that lack it.

    Raises:
        AlignmentError: the word has no sound, or one that is not in the table.
    """
    phones = tuple(segment.phone for segment in segments(synthesise(word, voice)) if segment.phone != SILENCE)
    if not phones:
        raise AlignmentError(f"word {word!r}: eSpeak NG gives it no sound; correct the transcript")
    return phones


def _phones(sound: Sound, start: float, end: float) -> list[Segment]:
    if _is_pause(sound):
        return [Segment(start, end, SILENCE)]
    if sound.mnemonic == _LINKING_J:
        return [Segment(start, end, "Y")]
    if sound.mnemonic in _SINGLES:
        return [Segment(start, end, _SINGLES[sound.mnemonic])]
    if sound.mnemonic in _PAIRS:
        first, second, share = _PAIRS[sound.mnemonic]
        middle = start + share * (end - start)
        return [Segment(start, middle, first), Segment(middle, end, second)]
    raise AlignmentError(
        f"eSpeak NG's sound {sound.mnemonic!r} at {start:.3f} s: expected one of American English, found one without "
        "an ARPABET phone; use a voice of en-us and English text, or add the sound to espeak_phones"
    )


def _continues(phone: str, sound: Sound) -> bool:
    """A glide that only links two vowels is the end of the first, not a phone of its own."""
    if sound.mnemonic == _LINKING_J:
        return phone in ("IH", "IY", "AY", "EY", "OY")
    return phone in ("R", "ER") and (sound.mnemonic == "r-" or (sound.mnemonic == "r" and not sound.starts_word))


def _is_coda_l(sounds: list[Sound], index: int) -> bool:
    if sounds[index].mnemonic not in ("l", "l#") or index == 0 or not _is_vowel(sounds[index - 1]):
        return False
    following = sounds[index + 1 : index + 2]
    return not following or following[0].starts_word or not _is_vowel(following[0])


def _is_vowel(sound: Sound) -> bool:
    phone = _PAIRS[sound.mnemonic][0] if sound.mnemonic in _PAIRS else _SINGLES.get(sound.mnemonic)
    return phone in VOWELS


def _is_pause(sound: Sound) -> bool:
    return sound.mnemonic.startswith("_")


def _heard_starts(sounds: list[Sound], waveform: np.ndarray) -> list[float]:
    """When each sound begins, in seconds, in order."""
    starts = [sound.start / SAMPLE_RATE for sound in sounds]
    for index in range(1, len(sounds)):
        before, sound = sounds[index - 1], sounds[index]
        if before.mnemonic in _ONSET and _is_vowel(sound):
            half = (starts[index] - starts[index - 1]) / 2
            starts[index] -= min(_ONSET[before.mnemonic], half)
        elif not _is_pause(before) and not _is_pause(sound):
            # A coda's l may have no time of its own, and then all before this sound is silence.
            first = sounds[index - 2] if _is_coda_l(sounds, index - 1) else before
            starts[index] = _after_last_sound(waveform, first.start, sound.start) / SAMPLE_RATE
            starts[index - 1] = min(starts[index - 1], starts[index])
    return starts


def _after_last_sound(waveform: np.ndarray, first: int, start: int) -> int:
    """The beginning of the silence that ends at sample `start`; `start` itself where there is none."""
    first = max(first, start - round(_LONGEST_CLOSURE * SAMPLE_RATE))
    level = np.abs(waveform[first:start].astype(np.int32))
    heard = np.flatnonzero(level > _CLOSURE_LEVEL * level.max(initial=0))
    return first + int(heard[-1]) + 1 if heard.size else start


def _joined_silences(found: list[Segment]) -> list[Segment]:
    """Drop what has no length and make neighbouring silences one."""
    result: list[Segment] = []
    for segment in found:
        if segment.end <= segment.start:
            continue
        if result and segment.phone == SILENCE == result[-1].phone:
            result[-1] = Segment(result[-1].start, segment.end, SILENCE)
        else:
            result.append(segment)
    return result
