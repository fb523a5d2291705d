"""Dealing the labels of units anew, at the level at which they vary."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, lgamma

import numpy as np

from property_neurons.counting.unit_count_store import UnitCounts

# Labellings that are held at a time.
AT_ONCE = 125
_KEPT_BYTES = 1 << 28


@dataclass(frozen=True, eq=False)
class Exchangeable:
    """Units whose labels may change places within a block.

    label, block: int64 [units].
    """

    label: np.ndarray
    block: np.ndarray

    def distinct(self) -> float:
        """How many different labellings there are; inf where a float does not hold the number."""
        log = 0.0
        for members in self._blocks():
            counts = np.unique(self.label[members], return_counts=True)[1]
            log += lgamma(len(members) + 1) - sum(lgamma(count + 1) for count in counts)
        return float("inf") if log > 700 else round(exp(log), 6 if log < 20 else 0)

    def deals(self, number: int, seed: int) -> Iterator[np.ndarray]:
        """So many labellings, at random, some at a time: int16 [labellings, units].

        The same seed gives the same labellings, whatever they are used for: those of two sites belong together.
        """
        blocks = [members for members in self._blocks() if len(np.unique(self.label[members])) > 1]
        for first in range(0, number, AT_ONCE):
            rng = np.random.default_rng([seed, first])
            dealt = np.tile(self.label.astype(np.int16), (min(AT_ONCE, number - first), 1))
            for members in blocks:
                dealt[:, members] = rng.permuted(dealt[:, members], axis=1)
            yield dealt

    def kept_deals(self, number: int, seed: int) -> list[np.ndarray] | None:
        """As `deals`, all at once, to be used for every site; None where they do not fit into memory."""
        return list(self.deals(number, seed)) if number * len(self.label) * 2 <= _KEPT_BYTES else None

    def _blocks(self) -> list[np.ndarray]:
        order = np.argsort(self.block, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(self.block[order])) + 1)


def dealt_units(units: UnitCounts) -> Exchangeable:
    """The units whose labels are dealt anew for a property's null, and the units among which they are dealt.

    Where groups are made of phones, phones are dealt among the groups, which keep their sizes. With groups of one phone
    this would only rename them; there, the phones of each speaker change places, which removes what speakers share.
    Labels of speakers change places among all speakers; labels of utterances, and of stretches of frames, among those
    of one speaker; labels of runs among runs of the same phone of one speaker. Where utterances or runs are summed up,
    the groups of one speaker, or of one phone of a speaker, change places.
    """
    if deals_phones(units):
        return Exchangeable(label=np.argmax(units.cells, axis=0), block=np.zeros(len(units.phones), np.int64))
    if units.of_phone:
        speaker_phone = np.unique(units.speaker.astype(np.int64) * len(units.phones) + units.phone)
        return Exchangeable(label=speaker_phone % len(units.phones), block=speaker_phone // len(units.phones))
    _, first = np.unique(units.unit, return_index=True)
    speaker, phone = units.speaker[first].astype(np.int64), units.phone[first].astype(np.int64)
    block = {
        "speaker": np.zeros(len(first), np.int64),
        "utterance": speaker,
        "stretch": speaker,
        "speaker and group": speaker,
        "run": speaker * len(units.phones) + phone,
        "speaker, phone and group": speaker * len(units.phones) + phone,
    }[units.level]
    return Exchangeable(label=units.group[first].astype(np.int64), block=block)


def deals_phones(units: UnitCounts) -> bool:
    """Whether the groups are made of phones, several in one."""
    return units.of_phone and int(units.cells.sum()) > len(units.groups)
