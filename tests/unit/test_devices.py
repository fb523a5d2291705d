"""Which device a job computes on, and that no two jobs share a GPU."""

import threading
import time

import pytest
import torch

from property_neurons.errors import ModelError
from property_neurons.jobs import devices
from property_neurons.jobs.devices import asked_gpus, job_device


@pytest.fixture
def gpus(monkeypatch, tmp_path):
    """A function that pretends a number of GPUs, and jobs that see those named."""
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(devices, "_held", [])
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)

    def pretend(number, named=None, why="", uuids=None):
        found = dict(enumerate(uuids or [f"uuid-{index}" for index in range(number)]))
        monkeypatch.setattr(devices, "_usable_gpus", lambda: (found, why))
        if named is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)

    return pretend


def visible():
    return devices.os.environ.get("CUDA_VISIBLE_DEVICES")


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, 0),
        ({"gpu": 0}, 0),
        ({"gpu": 2}, 2),
        ({"gpu": 0, "gres": "gpu:1"}, 1),
        ({"gres": "gpu:a100:4"}, 4),
        ({"gres": "gpu"}, 1),
        ({"gres": "nvme:1,gpu:2"}, 2),
        ({"gres": "nvme:1"}, 0),
    ],
)
def test_gpus_are_asked_for_by_gpu_or_gres(resources, expected):
    assert asked_gpus(resources) == expected


@pytest.mark.parametrize("setting", ["auto", "cuda", "cpu"])
def test_a_job_that_asks_for_no_gpu_runs_on_the_cpu(gpus, setting):
    gpus(2)
    assert job_device(setting, {"gpu": 0}) == "cpu"
    assert visible() is None


def test_auto_is_the_cpu_where_there_is_no_gpu(gpus):
    gpus(0)
    assert job_device("auto", {"gpu": 1}) == "cpu"
    gpus(0, named="")
    assert job_device("auto", {"gpu": 1}) == "cpu"


@pytest.mark.parametrize(("setting", "named"), [("cuda", None), ("auto", "0"), ("cuda", "0")])
def test_a_gpu_that_was_given_and_cannot_be_used_is_an_error(gpus, setting, named):
    gpus(0, named)
    with pytest.raises(ModelError, match=r"expected 1 GPU\(s\), found 0 .* or set device: cpu"):
        job_device(setting, {"gpu": 1})
    gpus(0, named or "0", why="The NVIDIA driver on your system is too old (found version 11040)")
    with pytest.raises(
        ModelError, match=r"found 0 that can be used .*driver on your system is too old .*set device: cpu"
    ):
        job_device(setting, {"gpu": 1})


def test_auto_says_that_a_driver_does_not_start_cuda(gpus, monkeypatch, capsys):
    gpus(0, why="the driver is too old")
    for there, expected in ((True, "(the driver is too old): run on the CPU"), (False, "")):
        monkeypatch.setattr(devices.Path, "exists", lambda _, there=there: there)
        assert job_device("auto", {"gpu": 1}) == "cpu"
        assert expected in capsys.readouterr().err


def test_a_gpu_that_cannot_be_used_is_left_out(gpus, monkeypatch):
    gpus(3)
    monkeypatch.setattr(devices, "_usable_gpus", lambda: ({1: "b", 2: "c"}, "cuda:0: uncorrectable ECC error"))
    job_device("auto", {"gpu": 2})
    assert visible() == "1,2"


def test_two_names_of_one_gpu_are_one_gpu(gpus, capsys, monkeypatch):
    """By number and by UUID, or a slice of it (MIG) that has a UUID of its own."""
    gpus(1, named="0", uuids=["GPU-ab"])
    job_device("auto", {"gpu": 1})
    first = devices._held[0]
    gpus(1, named="GPU-ab", uuids=["GPU-ab"])
    monkeypatch.setattr(devices.time, "sleep", lambda _: first.close())
    job_device("auto", {"gpu": 1})
    assert "waiting" in capsys.readouterr().err
    gpus(1, named="MIG-cd", uuids=["MIG-cd"])
    job_device("auto", {"gpu": 1})
    assert visible() == "MIG-cd"
    assert "waiting" not in capsys.readouterr().err


def test_beside_a_gpu_as_many_threads_decode_as_the_job_has_cores(monkeypatch):
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda _: range(64), raising=False)
    assert [devices.decoders("cuda", {}), devices.decoders("cuda", {"cpus_per_task": 12})] == [8, 12]
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert devices.decoders("cuda", {}) == 2
    assert devices.decoders("cpu", {"cpus_per_task": 12}) == 2


def ask(monkeypatch, code):
    """What is found where the process that starts CUDA does this."""
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(devices, "_ASK", code)
    return devices._usable_gpus()


def test_cuda_is_started_in_another_process(monkeypatch):
    assert devices._usable_gpus()[1].endswith("is built for CPUs") or torch.version.cuda
    assert ask(monkeypatch, 'print(\'noise\'); print(\'[{"1": "GPU-ab"}, "one is broken"]\')') == (
        {1: "GPU-ab"},
        "one is broken",
    )
    found, why = ask(monkeypatch, "import os; os.abort()")
    assert (found, why[:40]) == ({}, "CUDA ended the process that started it: ")
    assert ask(monkeypatch, "")[0] == {}
    monkeypatch.setattr(devices, "_SECONDS", 0.2)
    assert ask(monkeypatch, "import time; time.sleep(30)") == ({}, "CUDA had not started after 0.2 s")


@pytest.mark.slow
def test_what_is_asked_of_torch_is_answered_here_too(monkeypatch):
    """By the torch of this environment: without a GPU, with the reason; with some, each by a UUID."""
    found, why = ask(monkeypatch, devices._ASK)
    assert len(found) == torch.cuda.device_count()
    assert found or why


def test_each_job_of_one_machine_gets_a_gpu_of_its_own(gpus):
    gpus(3)
    assert job_device("auto", {"gpu": 1}) == "cuda"
    assert visible() == "0"
    gpus(3)
    job_device("auto", {"gpu": 2})
    assert visible() == "1,2"


def test_a_job_waits_until_a_gpu_is_free(gpus, capsys):
    gpus(1)
    job_device("auto", {"gpu": 1})
    first = devices._held.pop()
    release = threading.Timer(0.5, first.close)
    release.start()
    started = time.monotonic()
    job_device("auto", {"gpu": 1})
    assert time.monotonic() - started >= 0.4
    assert "waiting for 1 of 1 GPU(s)" in capsys.readouterr().err


def test_only_the_gpus_that_are_named_are_taken(gpus):
    gpus(2, named="5,GPU-ab/1")
    job_device("cuda", {"gpu": 2})
    assert visible() == "5,GPU-ab/1"


def test_jobs_of_slurm_have_the_gpus_that_slurm_dealt_out(gpus, monkeypatch):
    for job in ("7", "8"):
        monkeypatch.setenv("SLURM_JOB_ID", job)
        gpus(1, named="0")
        assert job_device("auto", {"gpu": 1}) == "cuda"
        assert visible() == "0"


def test_in_an_allocation_of_one_jobs_take_turns(gpus, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    gpus(1, named="0")
    job_device("auto", {"gpu": 1})
    monkeypatch.setattr(devices.time, "sleep", lambda _: devices._held.pop().close())
    assert job_device("auto", {"gpu": 1}) == "cuda"
    assert len(devices._held) == 1


def test_in_an_allocation_of_several_each_job_takes_its_own(gpus, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    for expected in ("0", "1"):
        gpus(2, named="0,1")
        job_device("auto", {"gpu": 1})
        assert visible() == expected
