"""How counts by unit fit into memory: what is summed up, how many speakers count as one, how often labels are dealt."""

from collections.abc import Mapping

from property_neurons.errors import CountingError

MOST_COUNTS = 1 << 27
"""Counts of one layer that the statistics hold at a time: rows x neurons active in one."""

DEALINGS = 8
"""How often the labels of units that are summed up are dealt, as they are among them: with few speakers more often,
with many groups less."""
_MOST_DEALINGS, _ENOUGH_POOLS = 32, 16


def summed_up(frames: float, tau: int) -> bool:
    """Whether the utterances and runs of so many frames are summed up for each speaker."""
    return frames * tau > MOST_COUNTS


def room_for(name: str, counts_of_one: int, group_of: Mapping[str, int]) -> int:
    """How many pools of speakers fit into memory, with so many counts each.

    Args:
        name: of the property.
        counts_of_one: counts of one layer of a pool.
        group_of: of each speaker.

    Raises:
        CountingError: fewer than one pool for each group.
    """
    room, apart = MOST_COUNTS // max(1, counts_of_one), len(set(group_of.values()))
    if room < apart:
        found = apart * counts_of_one
        of_groups = f": speakers of {apart:,} groups, which cannot be pooled across groups" if apart > 1 else ""
        raise CountingError(
            f"property {name}: expected at most {MOST_COUNTS:,} counts by unit of one layer, found {found:,} "
            f"({found * 4 / 1e9:.1f} GB){of_groups}; put the values of the property into fewer groups"
            + (", or count on a corpus of fewer speakers" if apart > 1 else ", or count on a corpus of less speech")
        )
    return room


def number_of_dealings(room: int, speakers: int) -> int:
    """How often labels are dealt: with few speakers often, for p to be small; with many groups less, for many pools."""
    return min(room, _MOST_DEALINGS, max(room // max(1, speakers), min(DEALINGS, max(2, room // _ENOUGH_POOLS))))


def fewest_pooled(group_of: Mapping[str, int], room: int) -> list[list[str]]:
    """The pools of the smallest number of speakers a pool with which there are at most `room`.

    A pool has speakers of one group, and the name of its first.
    """
    pooled = max(1, -(-len(group_of) // room))
    # Groups whose speakers do not divide evenly have one pool more each.
    while len(pools := _pools(group_of, pooled)) > room:
        pooled += 1
    return pools


def _pools(group_of: Mapping[str, int], pooled: int) -> list[list[str]]:
    """Pools of at most `pooled` speakers, all of one group."""
    by_group: dict[int, list[str]] = {}
    for name, group in group_of.items():
        by_group.setdefault(group, []).append(name)
    pools = []
    for names in by_group.values():
        number = -(-len(names) // pooled)
        pools += [names[first::number] for first in range(number)]
    return sorted(pools)
