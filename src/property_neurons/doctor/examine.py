"""All checks, in order, as one report."""

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
from property_neurons.doctor.times import TimeUse, not_estimated, time_uses, together, with_gpu
from property_neurons.errors import some_of
from property_neurons.progress import duration


@dataclass(frozen=True)
class Report:
    """Disk space and time of the results, and what is wrong.

    default, everything: for the default target, and for all that the configuration defines.
    times: for the default target; not_timed: what of it has no estimate.
    """

    results: str
    default: list[DiskUse]
    everything: list[DiskUse]
    times: list[TimeUse]
    not_timed: list[str]
    findings: list[Finding]

    @property
    def fatal(self) -> bool:
        """Whether the default target cannot be made."""
        return any(finding.fatal for finding in self.findings)

    def __str__(self) -> str:
        lines = [f"Disk space, estimated (below {self.results}, on the disk of {existing_part(self.results)}):"]
        width = max((len(use.what) for use in self.default), default=0)
        lines += [f"  {use.what:<{width}}  {shown(use.n_bytes):>8}  {use.detail}" for use in self.default]
        lines.append(f"  {'to be written for the default target':<{width}}  {shown(still_to_write(self.default)):>8}")
        if still_to_write(self.everything) > still_to_write(self.default):
            lines.append(f"  {'and for all that is configured':<{width}}  {shown(still_to_write(self.everything)):>8}")
        parts = ["\n".join(lines), *self._times(), *map(str, self.findings), verdict(self.findings)]
        return "\n\n".join(parts)

    def _times(self) -> list[str]:
        if not self.times:
            return []
        width = max(len(use.what) for use in self.times)
        lines = ["Time, very roughly: on one core of a server, and on an A100 what a GPU can do (not measured):"]
        for use in self.times:
            core, gpu = duration(use.core * use.lacking), use.gpu and duration(use.gpu * use.lacking)
            lines.append(f"  {use.what:<{width}}  {core:>8}  {gpu or '':>8}  {use.detail}")
        on_gpu, beside = map(duration, with_gpu(self.times))
        total = f"  {'together, for the default target':<{width}}  {duration(together(self.times)):>8}  {on_gpu:>8}"
        lines.append(f"{total}  with the GPU, {beside} on a core besides")
        if self.not_timed:
            lines.append(f"  Not estimated: {some_of(self.not_timed)}.")
        return ["\n".join(lines)]


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
    times, not_timed = time_uses(config, default), not_estimated(config, default)
    return Report(config.results, default_uses, all_uses, times, not_timed, ordered(findings))
