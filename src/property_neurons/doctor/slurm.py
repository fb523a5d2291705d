"""Findings about Slurm: the executor's plugin, and the partitions that a profile names."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

from property_neurons.doctor.finding import Finding
from property_neurons.doctor.profile import Profile

_PLUGIN = "snakemake_executor_plugin_slurm"
_TIMEOUT_S = 10


def slurm_findings(profile: Profile) -> Iterator[Finding]:
    """Whether jobs of a profile can be submitted from here, where it submits to Slurm."""
    if profile.executor != "slurm":
        return
    if importlib.util.find_spec(_PLUGIN) is None:
        remedy = "pip install snakemake-executor-plugin-slurm"
        yield Finding("profile", "Snakemake's plugin for executor: slurm", "not installed", remedy)
    wanted = _partitions(profile.content)
    if shutil.which("sinfo") is None:
        yield Finding(
            "profile",
            f"Slurm here, to see whether it has the partitions {', '.join(wanted) or '(its default)'}",
            "no sinfo",
            "run this on a machine that jobs are submitted from",
            fatal=False,
        )
        return
    # %R: one name a line, without the asterisk of the default one.
    command = ["sinfo", "--noheader", "--format=%R"]
    try:
        asked = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        remedy = "ask the cluster's operators whether Slurm is up"
        yield Finding("profile", "an answer of sinfo", f"none in {_TIMEOUT_S} s", remedy)
        return
    if asked.returncode:
        found = (asked.stderr.strip() or f"exit status {asked.returncode}").splitlines()[0]
        yield Finding("profile", "an answer of sinfo", found, "ask the cluster's operators whether Slurm is up")
        return
    there = sorted(set(asked.stdout.split()))
    for partition, keys in wanted.items():
        if partition not in there:
            yield Finding(
                f"{profile.file}: {', '.join(keys)}",
                f"the partition {partition}",
                f"only {', '.join(there) or 'none'} (sinfo)",
                "name one of these",
            )


def _partitions(profile: dict[str, Any]) -> dict[str, list[str]]:
    """The partitions a profile names, each with the keys that name it; expressions give the words they quote."""
    found: dict[str, list[str]] = {}
    sections = {"default-resources": profile.get("default-resources")}
    per_rule = profile.get("set-resources") or {}
    if isinstance(per_rule, list):
        sections |= {f"set-resources {entry.partition(':')[0]}": [entry.partition(":")[2]] for entry in per_rule}
    else:
        sections |= {f"set-resources {rule}": values for rule, values in per_rule.items()}
    for key, values in sections.items():
        if isinstance(values, list):
            values = dict(str(entry).split("=", 1) for entry in values if "=" in str(entry))
        value = str((values or {}).get("slurm_partition", "")).strip()
        for name in _named(value):
            found.setdefault(name, []).append(key)
    return found


def _named(value: str) -> list[str]:
    if re.fullmatch(r"[\w.,-]*", value):
        return [name for name in value.split(",") if name]
    return [name for quoted in re.findall(r"""["']([\w.,-]+)["']""", value) for name in quoted.split(",")]
