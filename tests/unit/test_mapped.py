"""Mapped arrays in another process."""

import pickle

import numpy as np
import pytest

from property_neurons.stores.mapped import MappedArray
from property_neurons.stores.outside import read_array


@pytest.fixture
def mapped(tmp_path):
    values = np.arange(60_000, dtype=np.float32).reshape(3000, 4, 5)
    np.save(tmp_path / "a.npy", values)
    return read_array(tmp_path / "a.npy", mapped=True), values


@pytest.mark.parametrize(
    "part",
    [np.s_[:], np.s_[0:1], np.s_[7], np.s_[1234:2999], np.s_[2999, 3, 4:]],
    ids=str,
)
def test_parts_are_pickled_as_their_places(mapped, part):
    array, values = mapped
    content = pickle.dumps(array[part])
    assert len(content) < 1000
    again = pickle.loads(content)
    np.testing.assert_array_equal(again, values[part])
    assert isinstance(again, MappedArray)
    assert again.shape == values[part].shape
    assert not again.flags.writeable
    # And from there to a third process.
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(again[:1])), values[part][:1])


@pytest.mark.parametrize("part", [np.s_[::2], np.s_[:, 1], np.s_[:0], np.s_[[5, 1]]], ids=str)
def test_what_does_not_lie_in_one_piece_is_copied(mapped, part):
    array, values = mapped
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(array[part])), values[part])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(array[part] + 1)), values[part] + 1)
