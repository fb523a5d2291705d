"""Torch's pickles: what is refused, and that no refusal says how to read the file all the same."""

import io
import os
import pickle
import tarfile
import zipfile

import pytest
import torch

from property_neurons.errors import ModelError
from property_neurons.models.melhubert.conversion import load_release
from property_neurons.models.pickles import check_tensors, read_pickle, what_was_found


class Malicious:
    """Touches a file when it is unpickled."""

    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return os.system, (f"touch {self.victim}",)


class Builtin:
    """Evaluates when it is unpickled: another form of refusal."""

    def __reduce__(self):
        return eval, ("1",)


def zipped(path, victim):
    torch.save({"model": Malicious(victim)}, path)


def legacy(path, victim):
    torch.save({"model": Malicious(victim)}, path, _use_new_zipfile_serialization=False)


def plain(path, victim):
    path.write_bytes(pickle.dumps(Malicious(victim)))


def blocked(path, victim):
    torch.save({"model": Builtin()}, path)


def protocol(path, victim):
    # An opcode that torch's reader does not know.
    path.write_bytes(pickle.dumps({"model": [frozenset({1, 2})]}, protocol=4))


def script(path, victim):
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), path)


def tar(path, victim):
    with tarfile.open(path, "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("make", [zipped, legacy, plain, blocked, protocol, script, tar])
def test_every_refusal_says_not_to_use_the_file_and_never_how_to(make, tmp_path):
    path, victim = tmp_path / "x.ckpt", tmp_path / "victim"
    make(path, victim)
    with pytest.raises(
        ModelError, match=r"x\.ckpt: expected a released checkpoint, found .*do not use this file"
    ) as one:
        load_release(path, None)
    with pytest.raises(ModelError, match=r"do not use this file") as two:
        read_pickle(path, expected="weights", remedy="copy it again")
    for message in (str(one.value), str(two.value)):
        assert len(message.splitlines()) == 1
        for advice in ("weights_only", "safe_globals", "trust", "arbitrary", "http", "file an issue"):
            assert advice not in message
    assert not victim.exists()


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"PK\x03\x04 cut", b"\x80\x02"])
def test_a_damaged_file_is_named_with_its_remedy(content, tmp_path):
    (tmp_path / "x.bin").write_bytes(content)
    with pytest.raises(ModelError, match=r"x\.bin: expected weights, found .*(copy it again|do not use)"):
        read_pickle(tmp_path / "x.bin", expected="weights", remedy="copy it again")


def test_what_torch_says_of_a_resumed_training_is_told_the_same_way():
    error = pickle.UnpicklingError(
        "Weights only load failed. In PyTorch 2.6, we changed the default value of the `weights_only` argument\n"
        "\n\nWeightsUnpickler error: Unsupported operand 149\n\nCheck the documentation of torch.load at https://x"
    )
    said = what_was_found(error, "delete it")
    assert said.startswith(
        "something that is not read without running it (Unsupported operand 149); nothing was run: do"
    )
    assert "weights_only" not in said


def test_a_tensor_without_elements_behind_it_is_a_bomb(tmp_path):
    path = tmp_path / "bomb.bin"
    torch.save({"good": torch.ones(3), "large": torch.zeros(1).expand(10**9)}, path)
    assert path.stat().st_size < 2000
    content = read_pickle(path, expected="weights", remedy="")
    with pytest.raises(ModelError, match=r"bomb\.bin: .*found large of shape \[1000000000\], 4,000,000,000 bytes"):
        check_tensors(path, content, "")
    torch.save({"Optimizer": None, "model": {"large": torch.zeros(1).expand(10**9)}}, path)
    with pytest.raises(ModelError, match=r"bomb\.bin: .*found large of shape \[1000000000\].*do not use this file"):
        load_release(path, None)


def test_one_storage_under_many_names_is_a_bomb(tmp_path):
    shared = torch.ones(1000)
    path = tmp_path / "bomb.bin"
    torch.save({str(at): shared for at in range(1000)}, path)
    with pytest.raises(ModelError, match=r"bomb\.bin: expected tensors that the file holds"):
        check_tensors(path, read_pickle(path, expected="weights", remedy=""), "")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (3, "found under 'x' a int"),
        ({"y": 1}, "found under 'x' a dict"),
        (torch.eye(3).to_sparse(), "found x without its elements or sparse"),
        (torch.empty(3, device="meta"), "found x without its elements or sparse"),
    ],
    ids=["number", "nested", "sparse", "meta"],
)
def test_values_that_are_no_plain_tensors_are_refused(value, found, tmp_path):
    torch.save({"x": value}, tmp_path / "x.bin")
    content = read_pickle(tmp_path / "x.bin", expected="weights", remedy="")
    with pytest.raises(ModelError, match=found):
        check_tensors(tmp_path / "x.bin", content, "save it again")


def test_packed_entries_are_refused_before_they_are_unpacked(tmp_path):
    torch.save({"x": torch.zeros(100_000)}, tmp_path / "x.bin")
    with zipfile.ZipFile(tmp_path / "x.bin") as old, zipfile.ZipFile(tmp_path / "y.bin", "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry), zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelError, match=r"y\.bin: .*zip file with packed entries; copy it again"):
        read_pickle(tmp_path / "y.bin", expected="weights", remedy="copy it again")
