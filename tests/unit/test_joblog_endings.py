"""How jobs end: memory, a full or failing disk, signals, killed processes, names that move a cursor."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_job import fake_job

from property_neurons.errors import JobError, StoreError
from property_neurons.jobs import explanation, locks
from property_neurons.jobs.log import job_log
from property_neurons.jobs.parallel import map_in_processes, run_to_the_end
from property_neurons.stores.files import new_folder

HERE = Path(__file__).parent


def ended(capsys, error, log, outputs=(), **further):
    """What a job says on the screen that ends with such an error."""
    job = fake_job(log, [], list(outputs))
    for name, value in further.items():
        setattr(job, name, value)
    with pytest.raises(SystemExit) as end, job_log(job):
        raise error
    screen = capsys.readouterr().err
    return end.value.code, screen


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried 8 GB"
        ),
        RuntimeError("std::bad_alloc"),
        RuntimeError("can't start new thread"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    ],
    ids=str,
)
def test_too_little_memory_is_no_bug_to_report(tmp_path, capsys, error):
    status, screen = ended(capsys, error, tmp_path / "a.log", resources={"mem_mb": 4000})
    assert status == 1
    assert "There is not enough memory: " in screen
    assert "has used up to" in screen
    assert "mem_mb=4000" in screen
    assert "--set-resources" in screen
    assert "report" not in screen


def test_memory_of_a_gpu_is_another(tmp_path, capsys):
    _, screen = ended(capsys, RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), tmp_path / "a.log")
    assert "The GPU has not enough memory" in screen
    assert "batch_size" in screen


JOB = """
import resource, signal, sys, time, os
sys.path.insert(0, {tests!r})
from pathlib import Path
from fake_job import fake_job
from property_neurons.jobs.log import job_log
from property_neurons.stores.files import atomic_path, new_folder
folder = Path({folder!r})
with job_log(fake_job(folder / "a.log", [], [folder / "out/x"])):
    with new_folder(folder / "out/x") as new, atomic_path(folder / "out/table.tsv") as table:
        (new / "half").write_text("written")
        table.write_text("half")
{body}
"""

# Tests that run in the background, or under nohup, hand ignored signals on.
DEFAULTS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
"""


def start(tmp_path, body):
    program = JOB.format(tests=str(HERE), folder=str(tmp_path), body="\n".join(f"        {line}" for line in body))
    return subprocess.Popen([sys.executable, "-c", DEFAULTS + program], stderr=subprocess.PIPE, text=True)


def test_a_limit_of_memory_is_named(tmp_path):
    body = ["resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))", "bytearray(2**33)"]
    job = start(tmp_path, body)
    _, screen = job.communicate(timeout=30)
    assert job.returncode == 1
    assert "There is not enough memory: MemoryError" in screen
    assert "may address 2,147 MB (ulimit -v)" in screen
    assert [path.name for path in (tmp_path / "out").iterdir()] == []


@pytest.mark.parametrize(
    ("number", "status", "why"),
    [
        (signal.SIGINT, 130, "stopped by Ctrl-C"),
        (signal.SIGTERM, 143, "stopped by a scheduler"),
        (signal.SIGHUP, 129, "its terminal was closed"),
    ],
)
def test_a_signal_ends_a_job_with_a_line_and_nothing_half_written(tmp_path, number, status, why):
    job = start(tmp_path, ["print('ready', file=sys.__stderr__, flush=True)", "time.sleep(30)"])
    assert job.stderr.readline() == "ready\n"
    assert list((tmp_path / "out").iterdir())
    job.send_signal(number)
    _, screen = job.communicate(timeout=30)
    assert job.returncode == status
    assert why in screen
    assert screen.strip().count("\n") == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == []
    assert "Traceback" in (tmp_path / "a.log").read_text()


def test_a_job_that_was_started_with_nohup_goes_on_when_its_terminal_is_closed(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with job_log(fake_job(tmp_path / "a.log")):
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signals_are_as_before_when_a_job_has_ended(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(SystemExit), job_log(fake_job(tmp_path / "a.log")):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_full_disk_is_named_by_the_file_that_did_not_fit(tmp_path, capsys):
    (tmp_path / "cache").mkdir()
    error = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "cache/x"))
    _, screen = ended(capsys, error, tmp_path / "a.log", [tmp_path / "ranks/0.zarr"])
    assert f"There is no room to write in {tmp_path}/cache: " in screen


def test_a_full_disk_that_the_error_does_not_name_is_the_one_with_the_least_room(tmp_path, capsys, monkeypatch):
    free = {tmp_path: 72e9, tmp_path / "logs": 0}
    monkeypatch.setattr(
        explanation.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free.get(Path(folder), 9e9), total=99e9)
    )
    _, screen = ended(capsys, OSError(errno.ENOSPC, "No space left"), tmp_path / "logs/a.log", [tmp_path / "0.zarr"])
    assert f"There is no room to write in {tmp_path}/logs: " in screen
    assert "0.0 MB of" in screen


def test_a_limit_of_files_is_named(tmp_path, capsys):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**9, before[1]))
    try:
        _, screen = ended(capsys, OSError(errno.EFBIG, "File too large"), tmp_path / "a.log")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "files may have 1,000 MB (ulimit -f)" in screen


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_log_that_cannot_be_written_ends_no_job_and_is_named(tmp_path, capsys):
    with job_log(fake_job("/dev/full", [], [tmp_path / "x"])) as log:
        log.info("at work")
        print("a bar", file=sys.stderr, flush=True)
        (tmp_path / "x").write_text("made")
    screen = capsys.readouterr().err
    assert (tmp_path / ".x.digest").is_file()
    assert "at work" in screen
    assert "The log is not whole. There is no room to write in /dev: " in screen


def test_a_log_that_cannot_be_made_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SystemExit) as end, job_log(fake_job(tmp_path / "file/a.log")):
        pytest.fail("went to work")
    assert end.value.code == 1
    assert f"The log cannot be made. {tmp_path}/file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EACCES, "make it readable and writable"),
        (errno.EROFS, "make the file system writable"),
        (errno.ENAMETOOLONG, "255 bytes"),
        (errno.ESTALE, "the file system fails"),
        (errno.EIO, "the file system fails"),
        (errno.EMFILE, "ulimit -n"),
        (errno.ENOENT, "does someone else change files"),
    ],
)
def test_a_file_system_that_refuses_is_named_with_what_to_do(tmp_path, capsys, number, remedy):
    error = OSError(number, os.strerror(number), "results/\x1b[2Jx")
    _, screen = ended(capsys, error, tmp_path / "a.log")
    assert rf"results/\x1b[2Jx: {os.strerror(number)}; " in screen
    assert remedy in screen
    assert "report" not in screen


def test_a_name_that_moves_the_cursor_reaches_neither_screen_nor_log(tmp_path, capsys):
    name = "a\x1b[2J\x1b[H\x9b\u202eb"
    with pytest.raises(SystemExit), job_log(fake_job(tmp_path / "a.log")) as log:
        log.info("reading %s", name)
        print(f"{name}\r50 %", file=sys.stderr)
        raise StoreError(f"{name}: expected\nanother")
    for text in (capsys.readouterr().err, (tmp_path / "a.log").read_text()):
        assert not {letter for letter in text if not letter.isprintable()} - {"\n"}
        assert r"a\x1b[2J\x1b[H\x9b\u202eb" in text
        assert "expected\nanother" in text


def test_a_line_in_a_name_is_no_line_of_the_log(tmp_path, capsys):
    with job_log(fake_job(tmp_path / "a.log")) as log:
        log.info("reading %s", "a\n12:00:00 all is well")
    assert "\n12:00:00" not in (tmp_path / "a.log").read_text()
    assert capsys.readouterr().err == "reading a\n12:00:00 all is well\n"


def test_bars_above_one_another_stay(tmp_path, monkeypatch):
    written = []
    terminal = SimpleNamespace(isatty=lambda: True, write=written.append, flush=lambda: None)
    monkeypatch.setattr(sys, "stderr", terminal)
    with job_log(fake_job(tmp_path / "a.log")):
        sys.stderr.write("\n\r50 %\x1b[A")
    assert "".join(written) == "\n\r50 %\x1b[A"
    assert (tmp_path / "a.log").read_text() == "\n\n50 %"


def test_a_screen_that_was_closed_ends_no_job(tmp_path, monkeypatch):
    def closed(*_):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(sys, "stderr", SimpleNamespace(write=closed, flush=closed, isatty=lambda: True))
    with job_log(fake_job(tmp_path / "a.log")) as log:
        log.info("at work")
        print("a bar", file=sys.stderr, flush=True)
    with pytest.raises(SystemExit) as end, job_log(fake_job(tmp_path / "b.log")):
        raise StoreError("0.zarr: is missing")
    assert end.value.code == 1


def _killed_at(item):
    if item == ("id-20", 20):
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_a_worker_that_was_killed_is_said_with_what_it_was_at():
    items = [(f"id-{number}", number) for number in range(200)]
    with pytest.raises(JobError, match=r"was killed \(as happens where memory runs out\) at work on .* id-") as found:
        list(map_in_processes(_killed_at, items, 2))
    assert "--set-resources" in str(found.value)


def _crashed_at(item):
    if item == 3:
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)
    return item


def test_a_worker_that_crashed_is_said():
    with pytest.raises(JobError, match=r"crashed \(SIGSEGV\) at work on one of 20 items from 0 to 19"):
        list(map_in_processes(_crashed_at, range(20), 2))


def _slow(item):
    time.sleep(0.02 if item < 16 else 20)
    return item


def test_workers_are_not_waited_for_when_their_work_is_no_longer_wanted():
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        for _ in map_in_processes(_slow, range(400), 2):
            raise KeyboardInterrupt
    assert time.monotonic() - began < 5


def test_a_program_is_asked_to_end_when_nobody_waits_for_it(tmp_path, monkeypatch):
    """So that it can end what it has started itself, as torch's launcher does."""
    program = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(open('ended', 'w').close()))"
    program += "; open('ready', 'w').close(); time.sleep(30)"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess.Popen, "wait", _interrupted_once(tmp_path / "ready", subprocess.Popen.wait))
    with pytest.raises(KeyboardInterrupt):
        run_to_the_end([sys.executable, "-c", program])
    assert (tmp_path / "ended").exists()


def _interrupted_once(ready, wait):
    waited = []

    def interrupted(program, timeout=None):
        if waited:
            return wait(program, timeout)
        waited.append(1)
        while not ready.exists():
            time.sleep(0.01)
        raise KeyboardInterrupt

    return interrupted


def test_the_exit_status_of_a_program_is_told():
    assert run_to_the_end([sys.executable, "-c", "import sys; sys.exit(3)"]) == 3


@pytest.mark.parametrize(
    "number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, errno.EPROTONOSUPPORT]
)
def test_a_file_system_without_locks_is_said_and_worked_on(tmp_path, caplog, monkeypatch, number):
    monkeypatch.setattr(locks.fcntl, "flock", _refusing(number))
    with locks.sole_process(tmp_path / "work"):
        pass
    assert "knows no locks" in caplog.text


@pytest.mark.parametrize(
    ("number", "found"),
    [
        (errno.EACCES, "expected no other process at work there, found another process"),
        (errno.EIO, r"work\.lock: expected to lock it, found Input/output error; see that its file system"),
        (errno.ESTALE, "expected to lock it, found Stale file handle"),
    ],
)
def test_a_lock_that_cannot_be_had_is_said(tmp_path, monkeypatch, number, found):
    monkeypatch.setattr(locks, "_PATIENCE", 0.3)
    monkeypatch.setattr(locks.fcntl, "flock", _refusing(number))
    with pytest.raises(StoreError, match=found), locks.sole_process(tmp_path / "work"):
        pytest.fail("went to work")


def test_a_server_that_is_back_in_seconds_stops_no_job(tmp_path, monkeypatch):
    flock, asked = locks.fcntl.flock, []

    def once(lock, operation):
        asked.append(1)
        if len(asked) == 1:
            raise OSError(errno.EIO, "Input/output error")
        flock(lock, operation)

    monkeypatch.setattr(locks.fcntl, "flock", once)
    with locks.sole_process(tmp_path / "work"):
        assert len(asked) == 2


def _refusing(number):
    def flock(lock, operation):
        raise OSError(number, os.strerror(number))

    return flock


def test_a_folder_whose_block_was_interrupted_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "x") as new:
        (new / "half").write_text("written")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_jobs_start_where_the_system_lacks_an_error_number():
    """As macOS lacks EREMOTEIO."""
    code = "import errno; del errno.EREMOTEIO; import property_neurons.jobs.log"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
