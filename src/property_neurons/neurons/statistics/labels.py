"""Which labels of units a property's null deals anew: those at the level at which they vary."""

import numpy as np

from property_neurons.counting.exchangeable import Chosen, Dealt, Exchangeable
from property_neurons.counting.unit_count_store import UnitCounts, unit_blocks


def dealt_units(units: UnitCounts) -> Dealt:
    """The units whose labels are dealt anew for a property's null, and the units among which they are dealt.

    Where groups are made of phones, phones are dealt among the groups, which keep their sizes. With groups of one phone
    this would only rename them; there, the phones of each speaker change places, which removes what speakers share.
    Labels of speakers change places among all speakers; those of other units as `unit_blocks` says. Where these units
    are summed up, their labels were dealt before (`counting.unit_counts`), and one of these dealings is taken of each
    of these blocks, with a pool of speakers for a speaker.
    """
    if deals_phones(units):
        return Exchangeable(label=np.argmax(units.cells, axis=0), block=np.zeros(len(units.phones), np.int64))
    if units.of_phone:
        speaker_phone = np.unique(units.speaker.astype(np.int64) * len(units.phones) + units.phone)
        return Exchangeable(label=speaker_phone % len(units.phones), block=speaker_phone // len(units.phones))
    _, first = np.unique(units.unit, return_index=True)
    block = unit_blocks(units.level, units.speaker[first], units.phone[first], len(units.phones))
    group = units.group[first].astype(np.int64)
    if units.dealings == 1:
        return Exchangeable(label=group, block=block)
    mixed = np.zeros(len(units.pools) * len(units.phones), bool)
    number, labels = np.unique(np.unique(np.stack([block, group]), axis=1)[0], return_counts=True)
    mixed[number] = labels > 1
    return Chosen(mixed, units.dealings)


def only_renames(units: UnitCounts) -> bool:
    """Whether each group is one speaker: labels dealt anew give the groups other names, and no other sets."""
    of_unit = np.unique(np.stack([units.unit, units.group]), axis=1)[1]
    return units.level == "speaker" and len(of_unit) == len(np.unique(of_unit))


def deals_phones(units: UnitCounts) -> bool:
    """Whether the groups are made of phones, several in one."""
    return units.of_phone and int(units.cells.sum()) > len(units.groups)
