"""One thing that is not as the configuration needs it, and how findings are ordered and shown."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What is wrong.

    about: the key of the configuration, or the thing.
    fatal: the default target cannot be made; otherwise something else cannot, or may not.
    """

    about: str
    expected: str
    found: str
    remedy: str
    fatal: bool = True

    def __str__(self) -> str:
        return (
            f"{'FATAL' if self.fatal else 'WARNING'}  {self.about}\n"
            f"  expected  {self.expected}\n"
            f"  found     {self.found}\n"
            f"  do        {self.remedy}"
        )


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Fatal ones first, otherwise in the order in which they were found."""
    return sorted(findings, key=lambda finding: not finding.fatal)


def verdict(findings: Iterable[Finding]) -> str:
    """How many there are, in one line."""
    fatal = [finding.fatal for finding in findings]
    if not fatal:
        return "Nothing found that would stop the workflow."
    return f"{sum(fatal)} fatal, {len(fatal) - sum(fatal)} to be warned of."
