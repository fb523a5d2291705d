"""Jobs that are killed in the middle, in every way that Slurm knows: the same bytes in the end."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from property_neurons.stores.files import read_json
from tests.slurm.cluster import NODE, Ending, wait_for
from tests.slurm.conftest import start

pytestmark = pytest.mark.slurm

RANKS = [f"results/ranks/melhubert-mini/demo/demo-00{shard}.manifest.json" for shard in range(2)]
TRAINING = "general-protect-s0-step1-stage1"


class Fault:
    """A run of some targets over again, in which one job is hurt.

    job: its id, once it is in the middle of its work.
    frozen: processes that are stopped there, so that it stays.
    """

    def __init__(self, cluster, project, folder):
        self._cluster, self._project, self._folder = cluster, project, folder
        self.job = ""
        self.frozen: list[int] = []

    def run(self, targets: list[str], comment: str, middle: str, hurt: Callable[["Fault"], None], *options: str):
        """Make the targets again and call `hurt` when the job named by `comment` has made a file that fits `middle`.

        Returns:
            how the job and those that took its place ended.

        Raises:
            AssertionError: snakemake failed, or the targets differ from those before.
        """
        before = {target: read_json(self._project.folder / target) for target in targets}
        known = len(self._cluster.endings())
        log = self._folder / "log"
        running = start(self._project, "--force", *targets, log=log, more=options)
        try:
            wait_for(lambda: self._in_the_middle(comment, middle, running), f"{comment} to be in the middle", 300)
            hurt(self)
            running.wait()
        finally:
            for pid in self.frozen:
                _signal(pid, signal.SIGCONT)
            running.terminate()
            running.wait()
        assert running.returncode == 0, log.read_text()[-6000:]
        after = {target: read_json(self._project.folder / target) for target in targets}
        assert _contents(after) == _contents(before)
        return [ending for ending in self._cluster.endings()[known:] if comment in ending.comment]

    def _in_the_middle(self, comment: str, middle: str, running: subprocess.Popen) -> bool:
        assert running.poll() is None, (self._folder / "log").read_text()[-6000:]
        if not list(self._project.folder.glob(middle)):
            return False
        self.frozen = _scripts_of(self._project.folder)
        for pid in self.frozen:
            _signal(pid, signal.SIGSTOP)
        if self.frozen:
            self.job = next(job for job, name in self._cluster.running().items() if comment in name)
        return bool(self.frozen)


@pytest.fixture
def fault(cluster, undisturbed, tmp_path):
    yield Fault(cluster, undisturbed.project, tmp_path)
    # Where the test failed, snakemake may have left its lock.
    undisturbed.project.snakemake("--unlock")
    if cluster.node_state().startswith(("down", "drain", "unk")):
        cluster.kill("slurmd")
        cluster.start_node()


def control(*arguments: str) -> None:
    subprocess.run(["scontrol", *arguments], check=True, timeout=60)


def states(endings: list[Ending]) -> list[str]:
    print("\n" + "\n".join(f"  {e.id} {e.state} {e.memory} {e.minutes} min" for e in endings))
    return [ending.state for ending in endings]


def ranks(fault: Fault, hurt: Callable[[Fault], None], *options: str) -> list[Ending]:
    """Rank two shards again, in one job, and hurt it in the middle of one."""
    return fault.run(RANKS, "ranks_melhubert-mini_demo", "results/ranks/*/demo/.demo-*.tmp", hurt, *options)


def test_scancel(fault):
    assert states(ranks(fault, lambda it: subprocess.run(["scancel", it.job], check=True))) == [
        "CANCELLED",
        "COMPLETED",
    ]


def test_requeue(fault):
    """As a preempting partition or an administrator does it."""
    endings = ranks(fault, lambda it: control("requeue", it.job))
    assert states(endings)[-1] == "COMPLETED"
    assert len({ending.id for ending in endings}) == 1


def test_preemption(fault):
    def preempt(it):
        command = ["sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap", "sleep 5"]
        subprocess.run(command, check=True, timeout=60)

    endings = ranks(fault, preempt)
    assert states(endings)[-1] == "COMPLETED"
    assert len({ending.id for ending in endings}) == 1


def test_a_requeued_group_takes_what_it_had_finished_from_the_cache(fault, undisturbed):
    """Otherwise it would make its finished shards again."""
    cache = undisturbed.project.folder / "cache"
    cache.mkdir()
    endings = fault.run(
        RANKS,
        "ranks_melhubert-mini_demo",
        "cache/ranks/*/entry.json",
        lambda it: control("requeue", it.job),
        *("--config", f"cache={cache}"),
    )
    assert states(endings)[-1] == "COMPLETED"
    assert len({ending.id for ending in endings}) == 1
    logs = [
        (undisturbed.project.folder / f"results/logs/rank_neurons/melhubert-mini/demo/demo-00{shard}.log").read_text()
        for shard in range(2)
    ]
    assert sum("taken from cache" in log for log in logs) == 1
    assert sum("published to cache" in log for log in logs) == 1


def test_time_limit(fault):
    """A job that hangs; each attempt has as many minutes for a shard as it is an attempt."""
    endings = fault.run(
        RANKS[:1],
        "ranks_melhubert-mini_demo",
        "results/ranks/*/demo/.demo-*.tmp",
        lambda it: None,
        *("--set-resources", "rank_neurons:runtime=attempt", "rank_neurons:slurm_partition=gpu"),
    )
    assert states(endings) == ["TIMEOUT", "COMPLETED"]
    assert [ending.minutes for ending in endings] == [1, 2]


def test_out_of_memory(fault, cluster):
    """torch alone needs more than the first attempt has. Slurm kills the step; the job itself is then FAILED."""
    endings = fault.run(
        RANKS[:1],
        "ranks_melhubert-mini_demo",
        "results/logs/rank_neurons/melhubert-mini/demo/demo-000.log",
        lambda it: [_signal(pid, signal.SIGCONT) for pid in it.frozen],
        *("--set-resources", "rank_neurons:mem_mb=500*attempt*attempt", "rank_neurons:slurm_partition=gpu"),
    )
    found = states(endings)
    assert found[0] in ("OUT_OF_MEMORY", "FAILED")
    assert found[-1] == "COMPLETED"
    assert f"StepId={endings[0].id}.0 exceeded memory limit" in (cluster.folder / "log/slurmd.log").read_text()


def test_node_failure(fault, cluster):
    def fail(it):
        cluster.kill("slurmd", signal.SIGKILL)
        control("update", f"nodename={NODE}", "state=down", "reason=test")
        time.sleep(5)
        cluster.start_node()

    endings = ranks(fault, fail)
    assert states(endings)[-1] == "COMPLETED"
    assert "NODE_FAIL" in {ending.state for ending in endings}


@pytest.mark.parametrize("daemon", ["slurmctld", "slurmdbd"])
def test_a_daemon_is_away_for_half_a_minute(fault, cluster, daemon):
    """With a database: while the controller is away `sacct` answers; while the database is, the controller does."""
    if not cluster.accounting:
        pytest.skip("needs a Slurm with a database: tests/slurm/run --accounting")

    def leave(it):
        cluster.kill(daemon)
        try:
            for pid in it.frozen:
                _signal(pid, signal.SIGCONT)
            time.sleep(30)
        finally:
            cluster.start_accounting() if daemon == "slurmdbd" else cluster.start_controller()

    # Without its controller a job cannot start its next step, and fails; snakemake sees it, and submits it again.
    expected = ["COMPLETED"] if daemon == "slurmdbd" else ["FAILED", "COMPLETED"]
    assert states(ranks(fault, leave)) == expected


def test_a_cancelled_training_goes_on_from_its_checkpoint(fault, undisturbed):
    manifest = f"results/checkpoints/{TRAINING}.manifest.json"
    middle = f"results/checkpoints/.{TRAINING}.work/checkpoint-*/complete.json"
    endings = fault.run([manifest], "rule_pretrain", middle, lambda it: subprocess.run(["scancel", it.job], check=True))
    assert states(endings) == ["CANCELLED", "COMPLETED"]
    log = (undisturbed.project.folder / f"results/logs/pretrain/{TRAINING}.log").read_text()
    assert "| 0/4" not in log


def test_snakemake_itself_is_killed(cluster, undisturbed, tmp_path):
    """Its jobs run on; unlocked, it makes what is missing and waits for nobody."""
    project, target = undisturbed.project, RANKS[0]
    before = read_json(project.folder / target)
    running = start(project, "--force", target, log=tmp_path / "log")
    wait_for(lambda: any("ranks_" in comment for comment in cluster.running().values()), "a job", 300)
    subprocess.run(["pkill", "-KILL", "-P", str(running.pid)], check=True)
    running.wait()
    project.snakemake("--unlock")
    again = start(project, target, log=tmp_path / "again")
    assert again.wait() == 0, (tmp_path / "again").read_text()[-6000:]
    wait_for(lambda: not cluster.running(), "the orphan to end", 300)
    assert _contents({target: read_json(project.folder / target)}) == _contents({target: before})


def _contents(manifests: dict[str, dict]) -> dict[str, object]:
    """What manifests say of contents: paths and processes do not count."""
    return {target: manifest["files"] for target, manifest in manifests.items()}


def _scripts_of(folder: Path) -> list[int]:
    """The processes of a project's rules."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{folder}/.snakemake/scripts/" in (process / "cmdline").read_text():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
