"""What would be submitted, and what each job would ask for; nothing is submitted.

Takes Snakemake's own options and targets:
`python -m property_neurons.jobs.requests --profile profiles/slurm results/figures/fig6.pdf`.
"""

import argparse
import logging
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from property_neurons.jobs.devices import asked_gpus

_NOT_SUBMITTED = ("all", "browsers", "erasures", "doctor")
"""Rules that name what others make, and the one that looks at the machine it is started on."""

_MANY_CORES = "1024"


@dataclass
class Submission:
    """A job that is submitted: one of the workflow's, or a group of them that run one after the other.

    rules: of its members. gpus, cores, mem_mb: the most that a member asks for. minutes: of all members together.
    """

    rules: list[str] = field(default_factory=list)
    partition: str = ""
    gpus: int = 0
    cores: int = 0
    mem_mb: int = 0
    minutes: int = 0

    def add(self, rule: str, threads: int, resources: dict[str, Any]) -> None:
        """Take in a member, with its resources as Snakemake has evaluated them."""
        self.rules.append(rule)
        self.partition = str(resources.get("slurm_partition", ""))
        self.gpus = max(self.gpus, asked_gpus(resources | {"gpu": _whole(resources.get("gpu"))}))
        self.cores = max(self.cores, threads, _whole(resources.get("cpus_per_task")))
        self.mem_mb = max(self.mem_mb, _whole(resources.get("mem_mb")))
        self.minutes += _whole(resources.get("runtime"))


def requests_table(submissions: Sequence[Submission]) -> pd.DataFrame:
    """A row for each rule, or for the rules that share submitted jobs; the last row is of all.

    Cores, GPUs, GB and minutes are the most that one submitted job asks for at its first attempt. GPU hours are what
    all would take if each used its time up: GPUs x minutes / 60.
    """
    of_rules: dict[frozenset[str], list[Submission]] = {}
    for one in submissions:
        rules, here = frozenset(one.rules), [one]
        # A rule belongs to one kind of group, so what shares a rule is of one kind.
        for others in [others for others in of_rules if others & rules]:
            here = [*of_rules.pop(others), *here]
            rules |= others
        of_rules[rules] = here
    in_turn = sorted(of_rules.items(), key=lambda item: submissions.index(item[1][0]))
    rows = [_row(", ".join(sorted(rules)), here) for rules, here in in_turn]
    return pd.DataFrame([*rows, _row("all", submissions)])


def planned(arguments: Sequence[str]) -> list[Submission]:
    """The jobs of a dry run of Snakemake in this folder.

    Raises:
        SystemExit: Snakemake could not plan them; it has said why.
    """
    from snakemake.cli import main as snakemake
    from snakemake.logging import logger

    collector = _Collector()
    # A filter, because Snakemake replaces handlers by its own.
    logger.addFilter(collector)
    try:
        # Without cores a dry run has one, and no rule more threads.
        snakemake(["--dry-run", "--cores", _MANY_CORES, *arguments])
    except SystemExit as end:
        if end.code:
            raise
    finally:
        logger.removeFilter(collector)
    return collector.submissions


class _Collector:
    """Collects the jobs that Snakemake announces; of its messages only warnings and errors go on to the screen."""

    def __init__(self) -> None:
        self.submissions: list[Submission] = []

    def filter(self, record: logging.LogRecord) -> bool:
        event = getattr(getattr(record, "event", None), "value", None)
        if event == "group_info":
            self.submissions.append(Submission())
        elif event == "job_info" and record.rule_name not in _NOT_SUBMITTED:
            # The members of a group follow it, indented.
            if not record.indent:
                self.submissions.append(Submission())
            self.submissions[-1].add(_kind(record.rule_name), record.threads, dict(record.resources.items()))
        return record.levelno >= logging.WARNING


def _kind(rule: str) -> str:
    """Rules of subsets and figures, of which there is one each, are one."""
    return re.sub(r"^(scan|draw)_.*", r"\1", rule.partition(".")[0])


def _whole(value: Any) -> int:
    """0 for what Snakemake cannot know before a job's inputs are there."""
    return value if isinstance(value, int) else 0


def _row(rules: str, here: list[Submission]) -> dict[str, Any]:
    def most(what: str) -> int:
        return max((getattr(one, what) for one in here), default=0)

    return {
        "submitted": len(here),
        "of the workflow": sum(len(one.rules) for one in here),
        "partition": ", ".join(sorted({one.partition for one in here} - {""})) or "-",
        "cores": most("cores"),
        "GPUs": most("gpus"),
        "GB": round(most("mem_mb") / 1000, 1),
        "minutes": most("minutes"),
        "GPU hours": round(sum(one.gpus * one.minutes for one in here) / 60, 1),
        "rules": rules,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m property_neurons.jobs.requests",
        description=__doc__.split("\n")[0],
        epilog="All other options and targets are Snakemake's: --profile, --configfile, --config, targets.",
    )
    _, of_snakemake = parser.parse_known_args(arguments)
    table = requests_table(planned(of_snakemake))
    # Only the last column is text of many lengths, and it stands to the left.
    widest = table["rules"].str.len().max()
    print(table.assign(rules=table["rules"].str.ljust(widest)).to_string(index=False))
    print(
        "\nThe most that one job asks for at its first attempt; with `retries` memory and time grow. "
        "GPU hours: if each job used its time up."
    )


if __name__ == "__main__":
    main(sys.argv[1:])
