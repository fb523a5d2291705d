"""The state of files that Snakemake compares by time alone."""

import os

from property_neurons.plan import own_files


def test_a_small_file_is_known_by_its_content_and_a_large_one_by_size_and_time(tmp_path):
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"one")
    large.write_bytes(bytes(own_files._READ + 1))
    paths = [str(small), str(large), str(tmp_path / "none")]
    first = own_files.states(paths)
    assert first[2] == "absent"
    small.write_bytes(b"two")
    os.utime(small, (1e9, 1e9))
    os.utime(large, (1e9, 1e9))
    second = own_files.states(paths)
    assert [one == other for one, other in zip(first, second, strict=True)] == [False, False, True]
    small.write_bytes(b"one")
    assert own_files.states(paths)[0] == first[0]
