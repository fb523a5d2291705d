"""A real Slurm of one node on this machine: munged, slurmctld and slurmd from Debian's packages, with two made-up GPUs.

    python -m tests.slurm.cluster FOLDER                 starts it, and stops it at Ctrl-C
    python -m tests.slurm.cluster --accounting FOLDER    with a database, so that `sacct` says something

Needs root and `apt-get install --no-install-recommends slurmctld slurmd slurm-client munge`, for the database also
`slurmdbd mariadb-server`. The GPUs are files: Slurm counts and grants them, and a task prolog hides them from what the
jobs run.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.slurm import database

PROGRAMS = ("munged", "slurmctld", "slurmd", "sinfo", "scontrol")
ETC = Path("/etc/slurm")
NODE = socket.gethostname().partition(".")[0]
# Memory and CPUs are what jobs may ask for, not what the machine has. `slurmctld` must know the host's real name.
_CONFIG = """\
ClusterName=test
SlurmctldHost={node}(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog={folder}/task_prolog
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/log/jobs
EpilogSlurmctld={folder}/epilog
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
EnforcePartLimits=ALL
MpiDefault=none
ReturnToService=2
SlurmdTimeout=30
SwitchType=switch/none
GresTypes=gpu
MinJobAge=300
KillWait=5
SlurmdParameters=config_overrides
NodeName={node} NodeAddr=127.0.0.1 CPUs=8 Sockets=1 CoresPerSocket=8 ThreadsPerCore=1 RealMemory=200000 Gres=gpu:fake:2
PartitionName=cpu Nodes={node} Default=YES MaxTime=UNLIMITED DefMemPerCPU=500 PriorityTier=1
PartitionName=gpu Nodes={node} MaxTime=UNLIMITED DefMemPerCPU=500 PriorityTier=1
PartitionName=urgent Nodes={node} MaxTime=UNLIMITED DefMemPerCPU=500 PriorityTier=10
"""


@dataclass(frozen=True)
class Ending:
    """How a job ended; one that is requeued ends several times.

    state: COMPLETED, CANCELLED, TIMEOUT, OUT_OF_MEMORY, NODE_FAIL, ...
    comment: the rule or group, as snakemake names it.
    gpus: that it asked for.
    minutes, memory: that it was granted.
    """

    id: str
    state: str
    comment: str
    partition: str
    gpus: int
    minutes: int
    memory: str


class Cluster:
    """The daemons, from `start` to `stop`.

    Args:
        folder: for states, logs and pid files.
        accounting: whether a database keeps what became of jobs.
    """

    def __init__(self, folder: Path, *, accounting: bool = False):
        self.folder = folder
        self.accounting = accounting
        names = ("slurm.conf", "gres.conf", *(("slurmdbd.conf",) if accounting else ()))
        self._links = [ETC / name for name in names]

    def start(self) -> None:
        """Write the configuration, link it where Slurm looks for it, start the daemons, wait for the node."""
        for name in ("state", "spool", "log", "dev"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(2):
            device = self.folder / f"dev/gpu{number}"
            if not device.exists():
                os.mknod(device, 0o666 | 0o020000, os.makedev(1, 3))
        prolog = self.folder / "task_prolog"
        prolog.write_text("#!/bin/sh\necho unset CUDA_VISIBLE_DEVICES\n")
        prolog.chmod(0o755)
        epilog = self.folder / "epilog"
        epilog.write_text(
            f"#!/bin/sh\n/usr/bin/scontrol show job --oneliner $SLURM_JOB_ID >> {self.folder}/log/details\n"
        )
        epilog.chmod(0o755)
        storage = database.SLURM_CONF if self.accounting else "AccountingStorageType=accounting_storage/none\n"
        (self.folder / "slurm.conf").write_text(_CONFIG.format(node=NODE, folder=self.folder) + storage)
        (self.folder / "gres.conf").write_text(f"NodeName={NODE} Name=gpu Type=fake File={self.folder}/dev/gpu[0-1]\n")
        if self.accounting:
            database.write_configuration(self.folder)
        ETC.mkdir(exist_ok=True)
        for link in self._links:
            link.symlink_to(self.folder / link.name)
        run = Path("/run/munge")
        run.mkdir(mode=0o755, exist_ok=True)
        shutil.chown(run, "munge", "munge")
        if _pid(run / "munged.pid") is None:
            _call("runuser", "-u", "munge", "--", "/usr/sbin/munged", "--force")
        if self.accounting:
            database.start_database(self.folder, wait_for)
            self.start_accounting()
        self.start_controller("-c")
        self.start_node()

    def start_accounting(self) -> None:
        """Start slurmdbd."""
        database.start_slurmdbd(wait_for)

    def start_controller(self, *options: str) -> None:
        """Start slurmctld; with `-c` it forgets what it knew."""
        _call("/usr/sbin/slurmctld", *options)

    def start_node(self) -> None:
        """Start slurmd and wait until the node takes jobs."""
        _call("/usr/sbin/slurmd", "-N", NODE)
        wait_for(lambda: self.node_state().startswith(("idle", "mix", "alloc")), "the node to take jobs", 60)

    def kill(self, daemon: str, with_signal: signal.Signals = signal.SIGTERM) -> None:
        """End `slurmctld`, `slurmd`, `slurmdbd`, `mariadbd` or `munged`, and wait until it is gone."""
        pid = _pid(Path("/run/munge/munged.pid") if daemon == "munged" else self.folder / f"{daemon}.pid")
        if pid is None:
            return
        os.kill(pid, with_signal)
        wait_for(lambda: not _lives(pid), f"{daemon} to end", 30)

    def stop(self) -> None:
        """Cancel what runs, end the daemons, remove the links, which would slow every snakemake by nine seconds."""
        if shutil.which("scancel") and all(link.is_symlink() for link in self._links):
            subprocess.run(["timeout", "10", "scancel", "--user=root", "--signal=KILL", "--full"], check=False)
            subprocess.run(["timeout", "10", "scancel", "--user=root"], check=False)
        try:
            for daemon in ("slurmd", "slurmctld", "slurmdbd", "mariadbd", "munged"):
                try:
                    self.kill(daemon)
                except TimeoutError:
                    self.kill(daemon, signal.SIGKILL)
        finally:
            for link in self._links:
                if link.is_symlink() and link.readlink().parent == self.folder:
                    link.unlink()

    def node_state(self) -> str:
        """As `sinfo` has it: idle, mix, alloc, down, ..."""
        return _output("sinfo", "--noheader", "--Node", "--partition=cpu", "--format=%t").strip()

    def running(self) -> dict[str, str]:
        """The jobs that run: comment by id."""
        lines = _output("squeue", "--noheader", "--states=RUNNING", "--format=%i %k").splitlines()
        return dict(line.split(maxsplit=1) for line in lines if line)

    def endings(self) -> list[Ending]:
        """All jobs that ended, in that order."""
        details = {}
        for fields in _fields(self.folder / "log/details"):
            details[fields["JobId"]] = fields
        ended = []
        for fields in _fields(self.folder / "log/jobs"):
            known = details.get(fields["JobId"], {})
            granted = dict(part.split("=", 1) for part in fields["Tres"].split(",") if "=" in part)
            ended.append(
                Ending(
                    id=fields["JobId"],
                    state=fields["JobState"],
                    comment=known.get("Comment", ""),
                    partition=fields["Partition"],
                    gpus=int(known.get("TresPerJob", "gres:gpu:0").rpartition(":")[2]),
                    minutes=int(fields["TimeLimit"]) if fields["TimeLimit"].isdigit() else 0,
                    memory=granted.get("mem", ""),
                )
            )
        return ended

    def check(self) -> None:
        """Refuse a machine that cannot or must not run this.

        Raises:
            RuntimeError: no root, no Slurm, or another one is configured here.
        """
        if os.geteuid() != 0:
            raise RuntimeError("expected to be root, which starts jobs as whoever asks; run the tests as root")
        programs = PROGRAMS + (database.PROGRAMS if self.accounting else ())
        packages = " ".join(database.PACKAGES) if self.accounting else ""
        missing = [name for name in programs if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
        if missing:
            raise RuntimeError(
                f"expected Slurm's programs, found no {', '.join(missing)}; on Debian: "
                f"apt-get install --no-install-recommends slurmctld slurmd slurm-client munge {packages}"
            )
        for link in self._links:
            if link.is_symlink() and not link.exists():
                # What is left of a run that could not clean up.
                link.unlink()
            elif link.is_symlink() or link.exists():
                raise RuntimeError(f"expected a machine without a Slurm of its own, found {link}; run this elsewhere")


@contextmanager
def running_cluster(folder: Path, *, accounting: bool = False) -> Iterator[Cluster]:
    """A cluster that is stopped whatever happens, SIGTERM included."""
    cluster = Cluster(folder, accounting=accounting)
    cluster.check()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        signal.signal(signal.SIGTERM, before)


def wait_for(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: it does not in this time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)


def _call(*command: str) -> None:
    subprocess.run(command, check=True, timeout=60)


def _output(*command: str) -> str:
    return subprocess.run(command, check=False, timeout=60, capture_output=True, text=True).stdout


def _fields(path: Path) -> Iterator[dict[str, str]]:
    """The lines KEY=VALUE KEY=VALUE ... of a file, if it is there."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        yield dict(field.split("=", 1) for field in line.split() if "=" in field)


def _pid(path: Path) -> int | None:
    """The process that a pid file names, if it lives."""
    try:
        pid = int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return pid if _lives(pid) else None


def _lives(pid: int) -> bool:
    """Whether a process is there and no zombie that nobody has fetched yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


if __name__ == "__main__":
    with running_cluster(Path(sys.argv[-1]).resolve(), accounting="--accounting" in sys.argv) as here:
        print(f"Slurm runs; its logs are in {here.folder}/log. Ctrl-C stops it.", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("stopping", flush=True)
