"""The Snakemake profile that jobs will be run with."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from property_neurons.doctor.finding import Finding


@dataclass(frozen=True)
class Profile:
    """A profile's file and what it says; nothing where there is none, or none that can be read."""

    file: Path | None = None
    content: dict[str, Any] = field(default_factory=dict)

    @property
    def executor(self) -> str:
        """What runs the jobs: "slurm", ..., or "local"."""
        return str(self.content.get("executor") or "local")


def read_profile(folder: Path | None) -> tuple[Profile, list[Finding]]:
    """The profile in a folder (its config.yaml), and what is wrong with it."""
    if folder is None:
        return Profile(), []
    file = folder / "config.yaml"
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(path.parent.name for path in folder.parent.glob("*/config.yaml"))) or "none"
        found, remedy = f"nothing; there: {known}", "correct --profile"
    except (OSError, ValueError, yaml.YAMLError) as error:
        found, remedy = " ".join(str(error).split()), "correct the file"
    else:
        if isinstance(content, dict):
            return Profile(file, content), []
        found, remedy = "no options in it", "write them as `option: value`"
    return Profile(file), [Finding("profile", f"a Snakemake profile at {file}", found, remedy)]
