"""One utterance by eSpeak NG, in a process of its own: `python espeak_process.py LIBRARY DATA < request.json`.

eSpeak keeps its state (flutter, wave phase, random numbers) in globals that neither setting every parameter
nor initialising it again resets, so that an utterance depends on what was spoken before it. A process that
speaks once and ends gives the same samples every time. This file uses nothing outside the standard library:
starting it takes about 40 ms, and it is run by its path, isolated from everything installed.

The request is a JSON object {text, voice, rate, pitch, pitch_range}. The answer on standard output is one line
of JSON, {sample_rate, sounds: [[first sample, mnemonic, first of a word]]}, and then the samples as native int16.
"""

import ctypes
import json
import sys

_SYNCHRONOUS = 2
_PHONEME_EVENTS, _DO_NOT_EXIT = 1 << 0, 1 << 15
_BUFFER_MS = 200  # eSpeak silently drops events beyond 200 a second of buffer plus 20
_EVENT_END, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7
_RATE, _VOLUME, _PITCH, _PITCH_RANGE = 1, 2, 3, 4
_UTF8 = 1


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h, its union read as the phoneme's mnemonic."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("mnemonic", ctypes.c_char * 8),
    ]


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def speak(library: str, data: str, request: dict) -> tuple[int, list[tuple[int, str, bool]], bytes]:
    """Return the sample rate in Hz, the sounds (first sample, mnemonic, first of a word) and the int16 samples."""
    espeak = ctypes.CDLL(library)
    sample_rate = espeak.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, data.encode(), _PHONEME_EVENTS | _DO_NOT_EXIT)
    if sample_rate <= 0:
        raise RuntimeError(f"espeak_Initialize failed with the data in {data}")
    samples = bytearray()
    sounds: list[tuple[int, str, bool]] = []
    word_begins = False

    def collect(wave, count, events):
        nonlocal word_begins
        if wave and count:
            samples.extend(ctypes.string_at(wave, 2 * count))
        index = 0
        while events[index].type != _EVENT_END:
            event = events[index]
            if event.type == _EVENT_WORD:
                word_begins = True
            elif event.type == _EVENT_PHONEME:
                sounds.append((event.sample, event.mnemonic.decode(), word_begins))
                word_begins = False
            index += 1
        return 0

    callback = _CALLBACK(collect)
    espeak.espeak_SetSynthCallback(callback)
    if espeak.espeak_SetVoiceByName(request["voice"].encode()) != 0:
        raise RuntimeError(f"no voice {request['voice']!r}")
    # Breath noise and Klatt voices draw from eSpeak's own generator or the C library's, by version.
    espeak.espeak_ng_SetRandSeed(ctypes.c_long(1))
    ctypes.CDLL(None).srand(1)
    for parameter, value in (
        (_RATE, request["rate"]),
        (_VOLUME, 100),
        (_PITCH, request["pitch"]),
        (_PITCH_RANGE, request["pitch_range"]),
    ):
        if espeak.espeak_SetParameter(parameter, value, 0) != 0:
            raise RuntimeError(f"parameter {parameter} refuses the value {value}")
    text = request["text"].encode() + b"\0"
    if espeak.espeak_Synth(text, len(text), 0, 1, 0, _UTF8, None, None) != 0:
        raise RuntimeError("espeak_Synth failed")
    return sample_rate, sounds, bytes(samples)


def main() -> None:
    """Read the request from standard input and write the answer to standard output."""
    library, data = sys.argv[1:]
    sample_rate, sounds, samples = speak(library, data, json.load(sys.stdin))
    header = json.dumps({"sample_rate": sample_rate, "sounds": sounds})
    sys.stdout.buffer.write(header.encode() + b"\n" + samples)


if __name__ == "__main__":
    main()
