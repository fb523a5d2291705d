"""What a job says on the screen and in its log."""

import errno
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from fake_job import fake_job

from property_neurons.errors import StoreError
from property_neurons.jobs import fingerprint
from property_neurons.jobs.log import job_log
from property_neurons.progress import progress
from property_neurons.stores.manifests import has_digest


def test_messages_reach_screen_and_log(tmp_path, capsys):
    with job_log(fake_job(tmp_path / "logs/a.log")) as log:
        log.info("%d frames counted", 12)
    assert capsys.readouterr().err == "12 frames counted\n"
    assert "12 frames counted" in (tmp_path / "logs/a.log").read_text()


def test_an_error_of_ours_is_shown_as_its_message_and_logged_in_full(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended, job_log(fake_job(tmp_path / "a.log")):
        raise StoreError("0.zarr: chunk c/1 is missing; delete it and run again")
    assert ended.value.code == 1
    screen = capsys.readouterr().err
    assert "0.zarr: chunk c/1 is missing" in screen
    assert str(tmp_path / "a.log") in screen
    assert "Traceback" not in screen
    assert "Traceback" in (tmp_path / "a.log").read_text()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_are_spawned_do_not_run_the_script_again(method, tmp_path):
    """As data workers are on macOS, and everywhere from Python 3.14 on."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "from fake_job import fake_job\n"
        "from property_neurons.errors import printable\n"
        "from property_neurons.jobs.log import job_log\n"
        "print('run', flush=True)\n"
        f"with job_log(fake_job({str(tmp_path / 'a.log')!r})):\n"
        f"    with ProcessPoolExecutor(2, get_context({method!r})) as pool:\n"
        "        print(*pool.map(printable, ['a', 'b']))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("run\na b\n", 0), done.stderr


def test_any_other_error_says_where_its_traceback_is(tmp_path, capsys):
    with pytest.raises(SystemExit), job_log(fake_job(tmp_path / "a.log")):
        _ = 1 / 0
    screen = capsys.readouterr().err
    assert "unexpected ZeroDivisionError" in screen
    assert "Traceback" not in screen
    assert "1 / 0" in (tmp_path / "a.log").read_text()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "0.zarr"),
        OSError(errno.EFBIG, "File too large", "0.zarr"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
        RuntimeError("[enforce fail at inline_container.cc:672] . PytorchStreamWriter failed writing file data/3"),
    ],
)
def test_a_full_disk_is_no_bug_to_report(tmp_path, capsys, error):
    with pytest.raises(SystemExit) as ended, job_log(fake_job(tmp_path / "a.log", [], [tmp_path / "ranks/0.zarr"])):
        raise error
    assert ended.value.code == 1
    screen = capsys.readouterr().err
    assert f"There is no room to write in {tmp_path}/ranks: {error}" in screen
    assert "MB of" in screen
    assert "run again" in screen
    assert "report" not in screen


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_log_on_a_full_disk_does_not_hide_the_error(capsys):
    with pytest.raises(SystemExit) as ended, job_log(fake_job("/dev/full")):
        raise StoreError("0.zarr: chunk c/1 is missing; delete it and run again")
    assert ended.value.code == 1
    assert "chunk c/1 is missing" in capsys.readouterr().err


def test_warnings_and_progress_bars_go_to_the_log_alone(tmp_path, capsys):
    before = sys.stderr
    with job_log(fake_job(tmp_path / "a.log")):
        warnings.warn("something is deprecated", stacklevel=1)
        assert list(progress(range(3), what="counting")) == [0, 1, 2]
    assert sys.stderr is before
    assert capsys.readouterr().err == ""
    text = (tmp_path / "a.log").read_text()
    assert "something is deprecated" in text
    assert "counting: 100%" in text


def test_code_that_was_edited_before_a_job_stops_it_before_its_work(tmp_path, capsys, code_in):
    planned = code_in("VALUE = 1")
    code_in("VALUE = 2")
    with pytest.raises(SystemExit), job_log(fake_job(tmp_path / "a.log", code=planned)):
        pytest.fail("went to work")
    assert "expected the code that this run was planned with" in capsys.readouterr().err


def test_what_was_made_while_code_was_edited_is_set_aside(tmp_path, capsys, code_in):
    planned = code_in("VALUE = 1")
    folder, manifest = tmp_path / "made/run", tmp_path / "made/run.manifest.json"
    with pytest.raises(SystemExit), job_log(fake_job(tmp_path / "a.log", [], [folder, manifest], code=planned)):
        folder.mkdir(parents=True)
        (folder / "weights").write_text("hours")
        manifest.write_text("{}")
        code_in("VALUE = 2")
    printed = capsys.readouterr().err
    kept, beside = sorted((tmp_path / "made/.old").iterdir())
    assert (kept / "weights").read_text() == "hours"
    assert beside.name == f"{kept.name}.manifest.json"
    assert f"{folder} was set aside: {kept}" in printed
    assert not folder.exists()
    # Once the code is back, the job is done as if nothing had been.
    code_in("VALUE = 1")
    with job_log(fake_job(tmp_path / "a.log", [], [folder], code=planned)):
        folder.mkdir()
    assert folder.exists()


def test_what_is_made_is_set_aside_where_the_code_is_gone_in_the_end(tmp_path, capsys, code_in, monkeypatch):
    """A clone that was moved while its job ran: Snakemake deletes what a failed job has left in place."""
    planned, folder = code_in("VALUE = 1"), tmp_path / "made/run"
    with pytest.raises(SystemExit), job_log(fake_job(tmp_path / "a.log", [], [folder], code=planned)):
        folder.mkdir(parents=True)
        monkeypatch.setattr(fingerprint, "_ROOT", tmp_path / "nowhere")
    printed = capsys.readouterr().err
    assert "where nothing is left" in printed
    (kept,) = (tmp_path / "made/.old").iterdir()
    assert f"{folder} was set aside: {kept}" in printed


def test_what_is_made_is_set_aside_where_its_digest_cannot_be_written(tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("property_neurons.jobs.log.record_digest", full)
    table = tmp_path / "made/table.tsv"
    with pytest.raises(SystemExit), job_log(fake_job(tmp_path / "a.log", [], [table])):
        table.parent.mkdir()
        table.write_text("hours")
    assert "There is no room" in capsys.readouterr().err
    assert [path.read_text() for path in (tmp_path / "made/.old").iterdir()] == ["hours"]


def test_what_took_hours_outlives_its_deletion_and_is_set_aside_when_it_is_made_anew(tmp_path, capsys):
    folder, manifest = tmp_path / "run", tmp_path / "run.manifest.json"

    def train(weights):
        with job_log(fake_job(tmp_path / "a.log", [], [folder, manifest]), took_hours=True):
            (folder / "encoder").mkdir(parents=True)
            (folder / "encoder/weights").write_text(weights)
            manifest.write_text(weights)

    for number, weights in enumerate(("first", "second", "third")):
        train(weights)
        # As Snakemake does before it runs a rule again.
        shutil.rmtree(folder)
        manifest.unlink()
        old = sorted(path for path in tmp_path.glob(".old/run-*") if path.is_dir())
        assert sorted((path / "encoder/weights").read_text() for path in old) == ["first", "second"][:number]
        assert all(path.with_name(f"{path.name}.manifest.json").is_file() for path in old)
        printed = capsys.readouterr().err
        assert ("is made anew" in printed) == bool(number)
        assert all(str(path) in printed for path in old[-1:])


def hours_of_work(tmp_path, settings, *, outputs, inputs=(), script="x = 1\n", again=True):
    """A job as Snakemake starts it, whose outputs it has deleted; returns whether the work was done."""
    (tmp_path / "train.py").write_text(script)
    job = fake_job(tmp_path / "a.log", inputs, outputs)
    job.rule, job.scriptdir, job.threads, job.config = "train", str(tmp_path), 1, {}
    job.params, job.wildcards, job.resources = settings, {"model": "m"}, {}
    for output in outputs:
        shutil.rmtree(output) if output.is_dir() else output.unlink(missing_ok=True)
    done = False
    try:
        with job_log(job, took_hours=True, again=again):
            done = True
            outputs[0].mkdir()
            (outputs[0] / "weights").write_text(str(settings))
            for output in outputs[1:]:
                output.write_text("told")
    except SystemExit as ended:
        assert ended.code == 0
    return done


def test_what_took_hours_is_taken_back_where_it_is_made_of_the_same(tmp_path, capsys):
    data = tmp_path / "data.tsv"
    data.write_text("a")
    made = {"outputs": [tmp_path / "run", tmp_path / "run.json"], "inputs": [data]}
    assert hours_of_work(tmp_path, {"steps": 1}, **made)
    # Written again with the same content, and a script with another comment.
    data.write_text("a")
    assert not hours_of_work(tmp_path, {"steps": 1}, **made, script="# as before\nx = 1\n")
    assert "taken from results kept here" in capsys.readouterr().err
    assert (tmp_path / "run/weights").read_text() == "{'steps': 1}"
    assert (tmp_path / "run.json").read_text() == "told"
    assert has_digest(tmp_path / "run.json")
    assert hours_of_work(tmp_path, {"steps": 1}, **made, again=False)
    assert hours_of_work(tmp_path, {"steps": 2}, **made)
    assert hours_of_work(tmp_path, {"steps": 2}, **made, script="x = 2\n")
    data.write_text("b")
    assert hours_of_work(tmp_path, {"steps": 2}, **made, script="x = 2\n")
    assert (tmp_path / "run/weights").read_text() == "{'steps': 2}"
    assert len([path for path in (tmp_path / ".old").iterdir() if path.is_dir()]) == 4


def test_what_is_damaged_is_not_taken_back(tmp_path, capsys):
    made = {"outputs": [tmp_path / "run"]}
    assert hours_of_work(tmp_path, {}, **made)
    (tmp_path / "run/weights").write_text("other")
    assert hours_of_work(tmp_path, {}, **made)
    assert "what was kept here is damaged, and not used" in capsys.readouterr().err
    assert not hours_of_work(tmp_path, {}, **made)


def test_an_input_that_cannot_be_told_is_no_reason_to_take_back(tmp_path):
    (tmp_path / "folder").mkdir()
    made = {"outputs": [tmp_path / "run"], "inputs": [tmp_path / "folder"]}
    assert hours_of_work(tmp_path, {}, **made)
    assert hours_of_work(tmp_path, {}, **made)


def test_what_took_hours_is_made_all_the_same_where_there_are_no_hard_links(tmp_path, capsys, monkeypatch):
    def no_links(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    with job_log(fake_job(tmp_path / "a.log", [], [tmp_path / "run"]), took_hours=True):
        (tmp_path / "run").mkdir()
        (tmp_path / "run/weights").write_text("hours")
    assert "is not kept" in capsys.readouterr().err
    assert not list(tmp_path.glob(".kept/*"))


@pytest.fixture
def code_in(tmp_path, monkeypatch):
    """Give the library a module with such code in it; returns the module's fingerprint."""
    root = tmp_path / "property_neurons"
    root.mkdir()
    monkeypatch.setattr(fingerprint, "_ROOT", root)

    def write(code: str) -> str:
        (root / "module.py").write_text(code)
        fingerprint._package.cache_clear()
        return fingerprint.code_fingerprint("property_neurons.module")

    return write
