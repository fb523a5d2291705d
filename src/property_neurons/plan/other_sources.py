"""Results that were made from another source than the configuration names now."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from property_neurons.config.root import Config
from property_neurons.plan import corpora, models, paths, sources


@dataclass(frozen=True)
class OtherSource:
    """A result of another source than the one that the configuration names, while that source is missing.

    Where inputs are missing Snakemake takes an existing result for up to date.
    """

    key: str
    made: str
    source: Any
    named: Any

    @property
    def found(self) -> str:
        """What is wrong, in words."""
        return f"{self.made}, made from {_words(self.source, self.named)}"

    @property
    def expected(self) -> str:
        """What the configuration names, in words."""
        return f"what is made from {_words(self.named, self.source)}, which is not there"

    @property
    def remedy(self) -> str:
        """What to do."""
        return f"correct {self.key}, put there what it names, or name again what {self.made} was made from"


def made_from_others(config: Config) -> list[OtherSource]:
    """The models and scanned subsets that were made from another source than the configuration now names."""
    found = []
    for name in config.models:
        if any(source.trouble() for source in sources.of_model(config, name)):
            made, named = paths.model(config, name), models.source(config, name)
            found.append(OtherSource(f"models.{name}", made, _noted(paths.manifest(made), "source"), named))
    for name in config.corpora:
        if any(source.trouble() for source in sources.of_corpus(config, name)):
            for subset in corpora.subsets(config, name):
                made, named = paths.subset(config, name, subset), corpora.scan_source(config, name, subset)
                noted = _noted(f"{made}/tables.manifest.json", "source")
                found.append(OtherSource(f"corpora.{name}", made, noted, named))
    return [one for one in found if one.source and any(one.source.get(key) != one.named[key] for key in one.named)]


def _noted(manifest: str, key: str) -> dict[str, Any] | None:
    """The source that a manifest names; nothing where the manifest cannot be read or names none."""
    # Without the readers of manifests, which planning would have to load.
    try:
        return json.loads(Path(manifest).read_text(encoding="utf-8")).get(key)
    except (OSError, ValueError, AttributeError):
        return None


def _words(source: dict[str, Any], other: dict[str, Any]) -> str:
    """The fields in which a source differs from another."""
    different = {key: value for key, value in source.items() if value is not None and value != other.get(key)}
    # The commit of a model from the hub is found, not named.
    return ", ".join(f"{key} {value}" for key, value in different.items() if key != "commit")
