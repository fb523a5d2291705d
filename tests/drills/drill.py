"""A finished project whose stages are run again and hurt, and what must come of it.

Every kill begins from a copy of the undisturbed run in which the outputs of one stage are deleted, and not from
nothing: a kill then costs seconds. The rest of the run is there, what comes after the stage too.
"""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from property_neurons.stores.manifests import read_manifest
from tests.integration.project import ENVIRONMENT, SMALL, Project

TRAINING = "results/tasks/pr/mini/seed0"
# As many as take longer than to begin, so that kills fall among them.
STEPS = 60
# Shards, so that a kill can fall in some of them, and a training with checkpoints.
CONFIG = SMALL | {
    "corpora": {"demo": SMALL["corpora"]["demo"] | {"minutes": 2, "shards": 3}},
    "splits": {"unseen": SMALL["splits"]["unseen"]},
    "tasks": {
        "pr": {
            "kind": "phone_recognition",
            "mode": "fine_tuned",
            "split": "unseen",
            "steps": STEPS,
            "batch_size": 1,
            "evaluate_every": 6,
            "save_every": 6,
            "log_every": 6,
        }
    },
}
TARGETS = [
    "results/figures/fig2.tsv",
    "results/neurons/mini/demo/gender.parquet",
    f"{TRAINING}.manifest.json",
]


@dataclass(frozen=True)
class Stage:
    """A part of the run.

    script: of its jobs, in workflow/scripts.
    outputs: patterns of what they make, below results/.
    targets: patterns of what is asked for again.
    """

    script: str
    outputs: tuple[str, ...]
    targets: tuple[str, ...]


STAGES = {
    "scan": Stage(
        "scan_subset",
        ("corpora/demo/subsets/demo", "corpora/demo/shards"),
        ("corpora/demo/subsets/demo/tables.manifest.json",),
    ),
    "frames": Stage("build_frames", ("corpora/demo/frames",), ("corpora/demo/frames/*.manifest.json",)),
    "ranks": Stage("rank_neurons", ("ranks/{model}/demo",), ("ranks/{model}/demo/*.manifest.json",)),
    "counts": Stage("count_activations", ("counts/{model}/demo",), ("counts/{model}/demo/*.manifest.json",)),
    "neurons": Stage(
        "find_neurons", ("neurons/{model}/demo",), ("neurons/{model}/demo/*.parquet", "neurons/{model}/demo/*.tsv")
    ),
    "training": Stage("train_task", ("tasks/pr/{model}",), ("tasks/pr/{model}/seed0.manifest.json",)),
    "figure": Stage("draw_fig2", ("figures/fig2.*",), ("figures/fig2.tsv",)),
}
Victim = Literal["snakemake, its jobs run on", "snakemake and its jobs", "a job"]
VICTIMS: tuple[Victim, ...] = ("snakemake, its jobs run on", "snakemake and its jobs", "a job")


@dataclass(frozen=True)
class Kill:
    """What is killed and when: a stage, a victim, and a share of the processor time that a job of the stage takes."""

    number: int
    seed: int
    stage: str
    victim: Victim
    moment: float

    @classmethod
    def draw(cls, number: int, seed: int, stages: Sequence[str] = tuple(STAGES)) -> "Kill":
        """The kill of a number; the stages follow each other, everything else is drawn."""
        drawn = random.Random(f"{seed} {number}")
        stage = stages[number % len(stages)]
        return cls(number, seed, stage, drawn.choice(VICTIMS), round(drawn.random(), 3))


@dataclass(frozen=True)
class Outcome:
    """What came of a kill.

    alive: whether a job was at work, and not only snakemake between two.
    repeated: logs of jobs that ran in both runs.
    checkpoint: the newest whole checkpoint of the training at the kill, "" if none.
    differing: files that are not those of the undisturbed run.
    left: temporary files that are there in the end.
    """

    kill: Kill
    alive: bool
    repeated: tuple[str, ...]
    checkpoint: str
    resumed: bool
    differing: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def good(self) -> bool:
        """The same bytes, at most one job made twice, nothing left, no step before the checkpoint again."""
        # With one core one job runs at a time.
        as_it_was = not self.differing and not self.left
        return as_it_was and len(self.repeated) <= 1 and (self.resumed or not self.checkpoint)

    def row(self) -> dict[str, object]:
        """For the table of a drill."""
        return {
            "kill": self.kill.number,
            "seed": self.kill.seed,
            "stage": self.kill.stage,
            "killed": self.kill.victim,
            "moment": f"{self.kill.moment:.0%}",
            "job_alive": "yes" if self.alive else "no",
            "jobs_repeated": len(self.repeated),
            "checkpoint": self.checkpoint or "-",
            "files_that_differ": len(self.differing),
            "temporary_files_left": len(self.left),
            "outcome": "same bytes" if self.good else "FAILED",
        }


@dataclass
class Drill:
    """A project whose targets were made without disturbance, and a copy of its results.

    model: whose ranks and counts are made again.
    seconds: of processor time that the longest job of each script took.
    digests: of every table, figure and store.
    """

    project: Project
    kept: Path
    model: str = "mini"
    seconds: dict[str, float] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, project: Project, targets: Sequence[str]) -> "Drill":
        """Make the targets, undisturbed."""
        drill = cls(project, project.folder.with_name("kept"))
        with drill.measured():
            project.snakemake(*targets)
        drill.keep()
        return drill

    def keep(self) -> None:
        """Take the project as it is now for the undisturbed one."""
        self.digests = digests(self.project.folder)
        shutil.copytree(self.project.folder / "results", self.kept / "results", symlinks=True)
        shutil.copytree(self.project.folder / ".snakemake", self.kept / ".snakemake", symlinks=True)

    def restore(self) -> None:
        """Put the undisturbed run back, with the times of its files."""
        for part in ("results", ".snakemake"):
            shutil.rmtree(self.project.folder / part, ignore_errors=True)
            subprocess.run(["cp", "-a", self.kept / part, self.project.folder / part], check=True)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Note the processor time of the jobs that run meanwhile."""
        over = threading.Event()

        def watch():
            while not over.wait(0.3):
                for process, script in jobs_of(self.project.folder).items():
                    self.seconds[script] = max(self.seconds.get(script, 0.0), processor_seconds(process))

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            yield
        finally:
            over.set()
            watching.join()

    def do(self, kill: Kill) -> Outcome:
        """Delete a stage's outputs, make them again, kill in the middle, and run again as a user would."""
        folder = self.project.folder
        while True:
            targets, begun = self.without(kill.stage), time.time()
            alive = self._strike(kill, self._start(targets))
            if alive is not None:
                break
            # The jobs took less than before, and the run was over too soon.
            kill = replace(kill, moment=round(kill.moment / 2, 3))
        first = logs_since(folder, begun)
        checkpoint = newest_checkpoint(folder)
        if kill.victim != "a job":
            self.project.snakemake("--unlock")
        again = time.time()
        self.project.snakemake("--rerun-incomplete", *targets)
        second = logs_since(folder, again)
        found = digests(folder)
        log = folder / "results/logs/train_task/pr/mini-seed0.log"
        return Outcome(
            kill,
            alive=alive,
            repeated=tuple(sorted(first & second)),
            checkpoint=checkpoint,
            resumed=bool(checkpoint) and f"| 0/{STEPS}" not in log.read_text(),
            differing=tuple(sorted(name for name, digest in self.digests.items() if found.get(name) != digest)),
            left=tuple(sorted(str(path.relative_to(folder)) for path in left_behind(folder))),
        )

    def without(self, stage: str) -> list[str]:
        """Put the undisturbed run back without the outputs of a stage; says what to ask for again."""
        self.restore()
        results = self.project.folder / "results"
        targets = self._found(results, STAGES[stage].targets)
        for path in self._found(results, STAGES[stage].outputs):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return [str(target.relative_to(self.project.folder)) for target in targets]

    def _found(self, results: Path, patterns: Sequence[str]) -> list[Path]:
        return [path for pattern in patterns for path in sorted(results.glob(pattern.format(model=self.model)))]

    def _start(self, targets: Sequence[str]) -> subprocess.Popen:
        """Snakemake on one core, so that shards follow each other."""
        with self._printed().open("w") as printed:
            return subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--cores", "1", *targets],
                cwd=self.project.folder,
                env=ENVIRONMENT,
                stdout=printed,
                stderr=subprocess.STDOUT,
            )

    def _printed(self) -> Path:
        return self.kept / "printed"

    def _strike(self, kill: Kill, snakemake: subprocess.Popen) -> bool | None:
        """Wait for the moment, kill, and wait until nothing of the run is left.

        Returns:
            whether a job was at work; None where the run ended before its moment came
        """
        folder, script = self.project.folder, STAGES[kill.stage].script
        # Of several jobs one after the other a random one is the victim: the moment is counted over all of them.
        wanted, spent = kill.moment * self.seconds[script] * self._jobs(kill.stage), {}
        while True:
            if snakemake.poll() is not None:
                assert snakemake.returncode == 0 and spent, f"{kill}:\n{self._printed().read_text()}"
                return None
            for process, name in jobs_of(folder).items():
                if name == script:
                    spent[process] = max(spent.get(process, 0.0), processor_seconds(process))
            jobs = jobs_of(folder)
            if spent and sum(spent.values()) >= wanted and (kill.victim != "a job" or script in jobs.values()):
                break
            time.sleep(0.05)
        # Stopped while they are looked at, so that the kill falls in what was seen.
        for process in (snakemake.pid, *jobs):
            send(process, signal.SIGSTOP)
        if kill.victim == "a job":
            chosen = next(process for process, name in jobs.items() if name == script)
            send(chosen, signal.SIGKILL)
            for process in (snakemake.pid, *jobs):
                send(process, signal.SIGCONT)
            assert snakemake.wait(300) != 0, f"{kill}: snakemake did not notice"
        else:
            send(snakemake.pid, signal.SIGKILL)
            for process in jobs:
                send(process, signal.SIGKILL if kill.victim == "snakemake and its jobs" else signal.SIGCONT)
            snakemake.wait(300)
        deadline = time.monotonic() + 600
        while jobs_of(folder):
            assert time.monotonic() < deadline, f"{kill}: jobs that do not end"
            time.sleep(0.05)
        return bool(jobs)

    def _jobs(self, stage: str) -> float:
        """How many jobs of a stage follow each other, a little less than there are, so that the run is not over."""
        return 0.9 * max(1, len(self._found(self.kept / "results", STAGES[stage].targets)))


def digests(folder: Path) -> dict[str, str]:
    """What every table, figure's .tsv and manifest of a project says, by its path; not what jobs took."""
    found = {}
    for path in sorted((folder / "results").rglob("*")):
        name = str(path.relative_to(folder))
        if name.startswith("results/benchmarks/"):
            continue
        if path.name.endswith(".manifest.json"):
            found[name] = read_manifest(path)["digest"]
        elif path.suffix in (".tsv", ".parquet", ".json") and not path.name.startswith("."):
            found[name] = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    return found


def jobs_of(folder: Path) -> dict[int, str]:
    """The processes of a project's jobs, and the script that each runs."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for word in (process / "cmdline").read_bytes().split(b"\0"):
                path = Path(word.decode(errors="replace"))
                if path.parent == folder / ".snakemake/scripts":
                    found[int(process.name)] = path.name.split(".")[-2]
    return found


def processor_seconds(process: int) -> float:
    """The processor time that a process has taken; 0 if it is gone."""
    with suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def logs_since(folder: Path, moment: float) -> set[str]:
    """The logs of the jobs that have begun their work since, or ended (Snakemake touches them then)."""
    logs = (folder / "results/logs").rglob("*.log")
    return {str(log.relative_to(folder)) for log in logs if log.stat().st_mtime >= moment}


def newest_checkpoint(folder: Path) -> str:
    """The newest whole checkpoint of the training that lies there."""
    marked = (folder / TRAINING).parent.glob(".seed0.work/checkpoint-*/complete.json")
    return max((path.parent.name for path in marked), key=lambda name: int(name.split("-")[1]), default="")


def left_behind(folder: Path) -> list[Path]:
    """Temporary files, locks and half-written folders."""
    hidden = [path for path in (folder / "results").rglob(".*") if path.suffix != ".digest"]
    return [path for path in hidden if path.name not in (".snakemake_timestamp", ".kept", ".old")]


def send(process: int, number: signal.Signals) -> None:
    """A signal to a process that may be gone."""
    with suppress(ProcessLookupError):
        os.kill(process, number)
