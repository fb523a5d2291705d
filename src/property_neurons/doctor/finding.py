"""A finding: one thing that does not fit the configuration; and how findings are ordered and shown."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from property_neurons.errors import PropertyNeuronsError

# How an error of this library says these things.
_PARTS = re.compile(
    r"(?:(?P<where>.*?): )?expected (?P<expected>.*?)[,;] found:? (?P<found>.*?); (?P<remedy>.*)", re.DOTALL
)


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

    @classmethod
    def of_error(cls, about: str, error: PropertyNeuronsError, fatal: bool) -> "Finding":
        """The finding for an error of a job, whose message says "where: expected this, found that; what to do"."""
        parts = _PARTS.fullmatch(str(error))
        if parts is None:
            return cls(about, "what a job can read", str(error), "mend it", fatal)
        where = f"{parts['where']}: " if parts["where"] else ""
        return cls(about, parts["expected"], f"{where}{parts['found']}", parts["remedy"], fatal)

    def __str__(self) -> str:
        return (
            f"{'FATAL' if self.fatal else 'WARNING'}  {self.about}\n"
            f"  expected  {self.expected}\n"
            f"  found     {self.found}\n"
            f"  do        {self.remedy}"
        )


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Fatal ones first, otherwise in the order in which they were found; what several corpora share stands once."""
    first: dict[tuple[str, str, str], Finding] = {}
    for finding in sorted(findings, key=lambda finding: not finding.fatal):
        first.setdefault((finding.about, finding.expected, finding.found), finding)
    return list(first.values())


def verdict(findings: Iterable[Finding]) -> str:
    """The number of findings, in one line."""
    fatal = [finding.fatal for finding in findings]
    if not fatal:
        return "Nothing found that would stop the workflow."
    return f"{sum(fatal)} fatal, {len(fatal) - sum(fatal)} to be warned of."
