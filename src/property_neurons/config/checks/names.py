"""Names that studies and models cannot have, because figures, tables and folders of results have them."""

import re

_TAKEN = re.compile(
    r"fig\d+|general|task_specific|pruning|pretraining|erasure|property|probes|confounds|stability|selectors"
    r"|(pretraining|property)_.*|.*_(dose|selectors|cut)",
    re.IGNORECASE,
)

OF_SPEED_TABLES = "reference"
"""The unpruned model, in tables of speeds."""


def is_taken(name: str) -> bool:
    """Whether a study of this name would write over a figure or table of the workflow."""
    return _TAKEN.fullmatch(name) is not None
