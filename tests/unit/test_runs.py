"""Runs of equal labels against a plain loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from property_neurons.counting.runs import middle_frames, runs

# Utterances, each a list of segments (label, frames).
UTTERANCES = st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), max_size=6), max_size=5)


def arrays(utterances):
    label, segment, offset, number = [], [], [0], 0
    for segments in utterances:
        for identity, length in segments:
            label += [identity] * length
            segment += [number] * length
            number += 1
        offset.append(len(label))
    return np.array(label, np.int8), np.array(segment, np.int32), np.array(offset)


def loop(utterances, equal_neighbours, last_run):
    found, frame = [], 0
    for segments in utterances:
        mine = []
        for index, (identity, length) in enumerate(segments):
            if index and equal_neighbours == "merge" and segments[index - 1][0] == identity:
                mine[-1][1] += length
            else:
                mine.append([frame, frame + length])
            frame += length
        found += mine[:-1] if last_run == "drop" else mine
    return found


@settings(derandomize=True, deadline=None)
@given(UTTERANCES, st.sampled_from(["separate", "merge"]), st.sampled_from(["keep", "drop"]))
def test_against_a_plain_loop(utterances, equal_neighbours, last_run):
    start, end = runs(*arrays(utterances), equal_neighbours=equal_neighbours, last_run=last_run)
    assert np.column_stack([start, end]).tolist() == loop(utterances, equal_neighbours, last_run)


@pytest.mark.parametrize(("first", "last", "middle"), [(4, 4, 4), (4, 5, 4), (4, 6, 5), (5, 6, 5), (0, 9, 4)])
def test_middle_is_the_floor_of_first_and_last(first, last, middle):
    assert middle_frames(np.array([first]), np.array([last + 1])).tolist() == [middle]
