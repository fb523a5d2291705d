"""Everything that is looked at, in order, as one report."""

from dataclasses import dataclass
from pathlib import Path

from property_neurons.config.root import Config
from property_neurons.doctor.finding import Finding, ordered, verdict
from property_neurons.doctor.machine import cache_findings, existing_part, gpu_findings, room_findings
from property_neurons.doctor.needs import all_needs, default_needs
from property_neurons.doctor.profile import read_profile
from property_neurons.doctor.sizes import Room, rooms, shown, total
from property_neurons.doctor.slurm import slurm_findings
from property_neurons.doctor.software import package_findings
from property_neurons.doctor.sources import corpus_findings, model_findings, task_findings


@dataclass(frozen=True)
class Report:
    """What the results will take, and what is wrong.

    default, everything: for the default target, and for all that the configuration defines.
    """

    results: str
    default: list[Room]
    everything: list[Room]
    findings: list[Finding]

    @property
    def fatal(self) -> bool:
        """Whether the default target cannot be made."""
        return any(finding.fatal for finding in self.findings)

    def __str__(self) -> str:
        lines = [f"Room on disk, estimated (below {self.results}, on the disk of {existing_part(self.results)}):"]
        width = max(len(room.what) for room in self.default)
        lines += [f"  {room.what:<{width}}  {shown(room.n_bytes):>8}  {room.detail}" for room in self.default]
        lines.append(f"  {'to be written for the default target':<{width}}  {shown(total(self.default)):>8}")
        if total(self.everything) > total(self.default):
            lines.append(f"  {'and for all that is configured':<{width}}  {shown(total(self.everything)):>8}")
        return "\n\n".join(["\n".join(lines), *map(str, self.findings), verdict(self.findings)])


def examine(config: Config, profile: Path | None = None) -> Report:
    """Look at the machine and at all that a configuration names; takes seconds, and runs no job.

    Args:
        profile: folder of the Snakemake profile that jobs will be run with; None for none.
    """
    jobs, profile_findings = read_profile(profile)
    default, everything = default_needs(config), all_needs(config)
    default_rooms, all_rooms = rooms(config, default), rooms(config, everything)
    findings = [
        *package_findings(),
        *profile_findings,
        *gpu_findings(config, default, on_cluster=jobs.executor != "local"),
        *corpus_findings(config, default),
        *model_findings(config, default),
        *task_findings(config, default),
        *room_findings(config, default_rooms, all_rooms),
        *cache_findings(config),
        *slurm_findings(jobs),
    ]
    return Report(config.results, default_rooms, all_rooms, ordered(findings))
