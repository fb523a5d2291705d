"""Speech with known phone times: eSpeak NG, by the `espeakng-loader` wheel."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import espeakng_loader
import numpy as np

from property_neurons.corpus import espeak_process
from property_neurons.errors import CorpusError

SAMPLE_RATE = 22_050


@dataclass(frozen=True)
class Sound:
    """One phoneme or pause as eSpeak announces it.

    start: first sample; mnemonic: eSpeak's name for it, stress mark included; starts_word: first of a word.
    """

    start: int
    mnemonic: str
    starts_word: bool


@dataclass(frozen=True)
class Speech:
    """A synthesised utterance: waveform int16 [samples] at `SAMPLE_RATE`, and its sounds in order."""

    waveform: np.ndarray
    sounds: tuple[Sound, ...]


def synthesise(text: str, voice: str, *, rate: int = 175, pitch: int = 50, pitch_range: int = 50) -> Speech:
    """Speak `text`: the same arguments give the same samples, whatever was spoken before.

    voice: a language and a variant, such as "en-us+f1"; rate: 80 to 450 words a minute; pitch, pitch_range: 0 to 99,
    with 50 what the variant itself defines.

    Raises:
        CorpusError: eSpeak NG has no such voice, a setting is out of range, or there is no sound.
    """
    # eSpeak would take the nearest possible value without a word.
    if not (80 <= rate <= 450 and 0 <= pitch <= 99 and 0 <= pitch_range <= 99):
        raise CorpusError(
            f"voice {voice!r}: expected a rate of 80 to 450 and a pitch and pitch range of 0 to 99, "
            f"found {rate}, {pitch} and {pitch_range}; correct the settings"
        )
    data = Path(espeakng_loader.get_data_path())
    variant = voice.partition("+")[2]
    # eSpeak falls back to the plain voice without a word when it does not know the variant.
    if variant and not (data / "voices" / "!v" / variant).is_file():
        raise CorpusError(f"voice {voice!r}: eSpeak NG has no variant {variant!r}; choose a file of {data}/voices/!v")
    request = {"text": text, "voice": voice, "rate": rate, "pitch": pitch, "pitch_range": pitch_range}
    answer = subprocess.run(
        [sys.executable, "-I", "-S", espeak_process.__file__, espeakng_loader.get_library_path(), str(data)],
        input=json.dumps(request).encode(),
        capture_output=True,
        check=False,
    )
    if answer.returncode != 0:
        reason = answer.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise CorpusError(
            f"eSpeak NG could not speak {text[:60]!r} with voice {voice!r}: {''.join(reason)}; "
            "check the voice and that espeakng-loader is installed for this platform"
        )
    header, _, samples = answer.stdout.partition(b"\n")
    content = json.loads(header)
    waveform = np.frombuffer(samples, dtype=np.int16)
    if content["sample_rate"] != SAMPLE_RATE or not waveform.size:
        raise CorpusError(
            f"eSpeak NG, voice {voice!r}, text {text[:60]!r}: expected sound at {SAMPLE_RATE} Hz, found "
            f"{waveform.size} samples at {content['sample_rate']} Hz; give a text with words, and a voice of en-us"
        )
    return Speech(waveform, tuple(Sound(*sound) for sound in content["sounds"]))
