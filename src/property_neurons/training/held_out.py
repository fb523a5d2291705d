"""The validation part of a training: all speech of some speakers, who are not trained on."""

import zlib
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def hold_out(
    items: Sequence[Item], speakers: Sequence[str], lengths: Sequence[int], share: float
) -> tuple[list[Item], list[Item]]:
    """Divide items into those to train on and those to validate on, by speaker; either may be empty.

    Speakers are taken in the order of a hash of their name until they hold at least `share` of the length; the last
    one may carry them well beyond it.

    Args:
        items, speakers, lengths: of each the speaker, and the length in frames or samples.
    """
    of_speaker: dict[str, int] = {}
    for speaker, length in zip(speakers, lengths, strict=True):
        of_speaker[speaker] = of_speaker.get(speaker, 0) + length
    held, taken = set(), 0
    for speaker in sorted(of_speaker, key=lambda name: (zlib.crc32(name.encode()), name)):
        if taken >= share * sum(of_speaker.values()):
            break
        held.add(speaker)
        taken += of_speaker[speaker]
    parts: tuple[list[Item], list[Item]] = ([], [])
    for item, speaker in zip(items, speakers, strict=True):
        parts[speaker in held].append(item)
    return parts
