"""The tracks of frames that properties can be cut from, by name."""

from typing import Literal, get_args

Track = Literal[
    "energy",
    "f0_slope",
    "speaking_rate",
    "utterance_position",
    "snr",
    "f1",
    "f2",
    "harmonicity",
]
TRACKS: tuple[Track, ...] = get_args(Track)
# What has one value of a track: an utterance, or neighbouring phones; all others change within a phone.
OF_UTTERANCES = frozenset({"snr"})
OF_STRETCHES = frozenset({"speaking_rate", "utterance_position"})
