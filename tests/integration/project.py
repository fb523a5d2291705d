"""A copy of the project in which a test may run Snakemake and edit files."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from property_neurons.stores.manifests import described_folder, verify_files

ROOT = Path(__file__).resolve().parents[2]
# The same bytes on machines with a GPU.
ENVIRONMENT = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
# The smallest that tasks can be trained on: six voices, divided by speaker and by utterance.
SMALL = {
    "corpora": {"demo": {"kind": "demo", "voices": 6, "minutes": 4, "shards": 1, "pitch": {"method": "praat"}}},
    "models": {"mini": {"kind": "shipped", "name": "melhubert-mini"}},
    "splits": {
        "unseen": {"by": "speaker", "corpus": "demo", "dev": 0.2, "test": 0.3},
        "seen": {"by": "utterance", "corpus": "demo", "dev": 0.2, "test": 0.3},
    },
    "figures": {"corpus": "demo", "model": "mini"},
    "statistics": {"permutations": 19, "halves": 2},
}
# Of a task or a stage: over in seconds, with a checkpoint in the middle.
SHORT = {"steps": 6, "batch_size": 4, "evaluate_every": 3, "save_every": 3, "log_every": 1}
# The architecture of a model that is trained from nothing.
TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "num_conv_pos_embeddings": 16,
}
_PARTS = ("Snakefile", "rules", "workflow", "src", "config", "resources", "envs", "profiles", "slurm")


@dataclass(frozen=True)
class Project:
    """A copy of the project, with a configuration of its own."""

    folder: Path

    @classmethod
    def copy(cls, folder: Path, config: dict[str, Any]) -> "Project":
        """Copy everything the workflow needs, compiled, and write `config` as its default configuration."""
        folder.mkdir(parents=True)
        for part in _PARTS:
            source = ROOT / part
            if source.is_dir():
                ignore = shutil.ignore_patterns("*.egg-info", ".*.tmp*", "*.pyc.*", "*.json.*")
                shutil.copytree(source, folder / part, ignore=ignore)
            else:
                shutil.copy(source, folder / part)
        project = cls(folder)
        project.configure(config)
        return project

    def configure(self, config: dict[str, Any]) -> None:
        """Write the default configuration."""
        (self.folder / "config/config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    def snakemake(self, *arguments: str, fails: bool = False) -> str:
        """Run Snakemake to its end and return what it printed.

        With `fails`, a failure is what is expected.
        """
        done = subprocess.run(
            _command(*arguments),
            cwd=self.folder,
            env=ENVIRONMENT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=1500,
        )
        assert (done.returncode != 0) == fails, done.stdout[-6000:]
        return done.stdout

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Run Snakemake beside the test, which reads what it prints from `stdout`."""
        return subprocess.Popen(
            _command(*arguments),
            cwd=self.folder,
            env=ENVIRONMENT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def kill_training(self, target: str, work: Path) -> None:
        """Train `target` anew, and kill snakemake and the training with it once `work` holds a whole checkpoint."""
        # Else it would be taken back from there.
        for description in (self.folder / target).parent.glob(".kept/*.entry.json"):
            description.unlink()
        running = subprocess.Popen(
            _command("--force", target),
            cwd=self.folder,
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 300
        while not list(work.glob("checkpoint-*/complete.json")):
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()

    def remade_from_archive(self, study: str, *targets: str) -> set[str]:
        """Pack a finished study, unpack it in a folder of its own, and make there `targets` (below results/) anew.

        They must have the same bytes; returns the rules that ran.
        """
        packed, unpacked = self.folder / f"{study}.tar.xz", f"unpacked-{study}"
        names = [f"{unpacked}/{target}" for target in targets]
        there = "--config", f"results={unpacked}"
        self.archive(study, packed)
        self.archive(study, packed, "--unpack", *there)
        rules = self.planned_rules(*names, *there)
        self.snakemake(*names, *there)
        for target in targets:
            assert (self.folder / unpacked / target).read_bytes() == (self.folder / "results" / target).read_bytes()
        assert self.planned(*names, *there) == {}
        return rules

    def archive(self, study: str, file: Path, *options: str) -> None:
        """Pack a study, or unpack it."""
        command = [sys.executable, "-m", "property_neurons.plan.archive", study, str(file), *options]
        done = subprocess.run(
            command, cwd=self.folder, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout

    def planned(self, *arguments: str) -> dict[str, str]:
        """What a run would make, below results/, with the rule that makes it: {"figures/fig2.tsv": "draw_fig2"}."""
        plan = {}
        for line in self.snakemake("--summary", *arguments).splitlines():
            if line.endswith(("\tupdate pending", "\tno update")):
                output, _, rule, *_, verdict = line.split("\t")
                if verdict == "update pending":
                    plan[output.removeprefix("results/")] = rule
        return plan

    def planned_rules(self, *arguments: str) -> set[str]:
        """The rules of which a run would run a job."""
        return set(self.planned(*arguments).values())


def _command(*arguments: str) -> list[str]:
    """A run of Snakemake. Tests run beside each other: a job on two threads would wait for the other's."""
    return [sys.executable, "-m", "snakemake", "--cores", "2", "--max-threads", "1", *arguments]


def check_taken(made: Project, taken: Project, trainings: dict[tuple[str, str], tuple[str, str]]) -> None:
    """Trainings that one directory published to the cache were taken from it by the other, to the byte.

    `trainings` names log and output of each, below results/logs and results/, in `made` and in `taken`.
    """
    for names in trainings.items():
        results = made.folder / "results", taken.folder / "results"
        first, second = (
            (folder / f"logs/{log}.log").read_text() for folder, (log, _) in zip(results, names, strict=True)
        )
        key = first.rsplit(maxsplit=1)[-1]
        assert f"published to cache {key}" in first
        assert f"taken from cache {key}" in second
        assert "it/s" not in second
        manifests = [folder / f"{output}.manifest.json" for folder, (_, output) in zip(results, names, strict=True)]
        one, other = (verify_files(described_folder(manifest), manifest)["files"] for manifest in manifests)
        assert one == other
