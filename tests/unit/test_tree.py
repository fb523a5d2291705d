"""Walking what a user names."""

import pytest

from property_neurons.doctor.speech import _speech_by_size
from property_neurons.stores.tree import walk


def made(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names(root):
    return [path.relative_to(root).as_posix() for path in walk(root).files]


def test_files_are_sorted_and_hidden_names_are_left_out(tmp_path):
    made(tmp_path, "b/2.FLAC", "b/1.flac", "a.flac/x.flac", ".hidden/x.flac", "b/._1.flac", "c.txt")
    assert names(tmp_path) == ["a.flac/x.flac", "b/1.flac", "b/2.FLAC", "c.txt"]
    assert [path.name for path in walk(tmp_path).ending((".flac",))] == ["x.flac", "1.flac", "2.FLAC"]


def test_a_hidden_folder_that_is_named_itself_is_read(tmp_path):
    made(tmp_path, ".cache/speech/1.flac")
    assert names(tmp_path / ".cache") == ["speech/1.flac"]


def test_a_folder_keeps_its_own_path_where_links_lead_to_it_too(tmp_path):
    made(tmp_path, "z/1.flac")
    (tmp_path / "a").symlink_to("z")
    tree = walk(tmp_path)
    assert names(tmp_path) == ["z/1.flac"]
    assert tree.read_once == ((tmp_path / "a", tmp_path / "z"),)


@pytest.mark.parametrize("linked", [False, True])
def test_links_to_folders_above_are_not_followed(tmp_path, linked):
    """Neither to those above the folder where it lies, nor to those above the link that leads there."""
    made(tmp_path, "corpus/sub/1.flac", "corpus/other/2.flac")
    if linked:
        (tmp_path / "corpus/sub").rename(tmp_path / "away")
        (tmp_path / "corpus/sub").symlink_to(tmp_path / "away")
    (tmp_path / "corpus/sub/up").symlink_to(tmp_path / "corpus")
    (tmp_path / "corpus/sub/top").symlink_to(tmp_path)
    assert names(tmp_path / "corpus/sub") == ["1.flac"]


def test_links_that_form_circles_end(tmp_path):
    made(tmp_path, "a/1", "b/2", "c/3")
    for folder in "abc":
        for other in "abc":
            (tmp_path / folder / f"to_{other}").symlink_to(tmp_path / other)
    assert names(tmp_path) == ["a/1", "b/2", "c/3"]
    assert names(tmp_path / "a") == ["1", "to_b/2", "to_b/to_c/3"]


def test_nothing_is_found_where_nothing_is(tmp_path):
    tree = walk(tmp_path / "absent")
    assert tree.files == ()
    assert tree.not_read == ((tmp_path / "absent", "a folder that cannot be looked into (No such file or directory)"),)


def test_the_doctor_counts_linked_recordings(tmp_path):
    made(tmp_path, "disk/1/1.wav", "sub/2/2.wav", "sub/2/._2.wav")
    for file in ("disk/1/1.wav", "sub/2/2.wav", "sub/2/._2.wav"):
        (tmp_path / file).write_bytes(bytes(32_000))
    (tmp_path / "sub/1").symlink_to(tmp_path / "disk/1")
    (tmp_path / "sub/3.wav").symlink_to(tmp_path / "gone.wav")
    found = _speech_by_size(tmp_path / "sub")
    assert (found.utterances, round(found.seconds)) == (2, 2)
