"""What a Snakemake profile, or the command line, says about rules."""

from typing import Any


def unknown_rules(workflow: Any) -> list[str]:
    """Names that settings of resources, threads or groups take for rules and that no rule has, sorted.

    Args:
        workflow: Snakemake's, once all its rules are read.
    """
    named = {
        *workflow.resource_settings.overwrite_resources,
        *workflow.resource_settings.overwrite_threads,
        *workflow.group_settings.overwrite_groups,
    }
    return sorted(named - {rule.name for rule in workflow.rules})
