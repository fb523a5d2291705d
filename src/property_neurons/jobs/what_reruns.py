"""What re-runs after an edit: `python -m property_neurons.jobs.what_reruns` writes the table of docs/development.md."""

import argparse
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from property_neurons.jobs.fingerprint import OUTSIDE, covered_modules

PROJECT = Path(__file__).parents[3]


def rule_roots(config: str | Path = "config/paper.yaml") -> dict[str, list[str]]:
    """For each rule, the modules that its fingerprint names, as Snakemake reads the rules.

    Args:
        config: below the project; which rules there are depends on it. That of the whole study has all.
    """
    # Slow to import, and only needed here.
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(),
            config_settings=ConfigSettings(configfiles=[PROJECT / config]),
            snakefile=PROJECT / "Snakefile",
            workdir=Path.cwd(),
        )
        planned = {rule.name: dict(rule.params.items()).get("code") for rule in workflow._workflow.rules}
    # The rules of subsets are one rule, written down once.
    return {rule.partition("_")[0] if "." in rule else rule: code.split()[1:] for rule, code in planned.items() if code}


def rerun_table(roots: Mapping[str, list[str]]) -> str:
    """Markdown: the modules whose edit re-runs the same rules, and these rules; modules of most rules first."""
    rules_of = defaultdict(list)
    for rule, modules in roots.items():
        for module in covered_modules(*modules):
            rules_of[module].append(rule)
    together = defaultdict(list)
    for module, rules in sorted(rules_of.items()):
        together[tuple(rules)].append(module)
    lines = ["| an edit of | re-runs |", "|---|---|"]
    for rules, modules in sorted(together.items(), key=lambda row: (-len(row[0]), row[1])):
        lines.append(f"| {', '.join(modules)} | {', '.join(rules)} |")
    return "\n".join([*lines, f"| {', '.join(OUTSIDE)}, and every module that is not named above | nothing |"])


def write_table(document: Path, table: str) -> None:
    """Put the table between its two marks in a Markdown file."""
    before, begin, rest = document.read_text(encoding="utf-8").partition("<!-- what re-runs -->\n")
    _, end, after = rest.partition("\n<!-- end -->")
    document.write_text(f"{before}{begin}{table}{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m property_neurons.jobs.what_reruns", description="Write the table of docs/development.md anew."
    ).parse_args()
    write_table(PROJECT / "docs/development.md", rerun_table(rule_roots()))
