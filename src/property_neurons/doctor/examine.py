"""Everything that is looked at, in order, as one report."""

from dataclasses import dataclass
from pathlib import Path

from property_neurons.config.root import Config
from property_neurons.doctor.disk import DiskUse, disk_uses, shown, still_to_write
from property_neurons.doctor.earlier_runs import rare_cell_findings, report_findings
from property_neurons.doctor.finding import Finding, ordered, verdict
from property_neurons.doctor.machine import cache_findings, existing_part, gpu_findings, space_findings
from property_neurons.doctor.needs import all_needs, default_needs
from property_neurons.doctor.profile import read_profile
from property_neurons.doctor.slurm import slurm_findings
from property_neurons.doctor.software import package_findings
from property_neurons.doctor.sources import corpus_findings, model_findings, other_sources, task_findings
from property_neurons.doctor.speech_files import speech_file_findings


@dataclass(frozen=True)
class Report:
    """What the results will take, and what is wrong.

    default, everything: for the default target, and for all that the configuration defines.
    """

    results: str
    default: list[DiskUse]
    everything: list[DiskUse]
    findings: list[Finding]

    @property
    def fatal(self) -> bool:
        """Whether the default target cannot be made."""
        return any(finding.fatal for finding in self.findings)

    def __str__(self) -> str:
        lines = [f"Disk space, estimated (below {self.results}, on the disk of {existing_part(self.results)}):"]
        width = max(len(use.what) for use in self.default)
        lines += [f"  {use.what:<{width}}  {shown(use.n_bytes):>8}  {use.detail}" for use in self.default]
        lines.append(f"  {'to be written for the default target':<{width}}  {shown(still_to_write(self.default)):>8}")
        if still_to_write(self.everything) > still_to_write(self.default):
            lines.append(f"  {'and for all that is configured':<{width}}  {shown(still_to_write(self.everything)):>8}")
        return "\n\n".join(["\n".join(lines), *map(str, self.findings), verdict(self.findings)])


def examine(config: Config, profile: Path | None = None) -> Report:
    """Look at the machine and at all that a configuration names; takes seconds, and runs no job.

    Args:
        profile: folder of the Snakemake profile that jobs will be run with; None for none.
    """
    jobs, profile_findings = read_profile(profile)
    default, everything = default_needs(config), all_needs(config)
    default_uses, all_uses = disk_uses(config, default), disk_uses(config, everything)
    findings = [
        *package_findings(),
        *profile_findings,
        *gpu_findings(config, default, on_cluster=jobs.executor != "local"),
        *other_sources(config),
        *corpus_findings(config, default),
        *speech_file_findings(config, default),
        *report_findings(config, default),
        *rare_cell_findings(config),
        *model_findings(config, default),
        *task_findings(config, default),
        *space_findings(config, default_uses, all_uses),
        *cache_findings(config),
        *slurm_findings(jobs),
    ]
    return Report(config.results, default_uses, all_uses, ordered(findings))
