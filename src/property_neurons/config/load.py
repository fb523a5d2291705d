"""Loading a configuration: all its errors at once, each naming the key, what was found and what would do."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from property_neurons.config.checks import contradictions
from property_neurons.config.expand_studies import with_studies
from property_neurons.config.explain import explain
from property_neurons.config.root import Config
from property_neurons.errors import ConfigError


def load_config(content: Mapping[str, Any], source: str = "the configuration") -> Config:
    """Validate a configuration as read from YAML, and add all that its studies stand for.

    Raises:
        ConfigError: one message that lists every unknown key (with the nearest known one) and every value that
            does not fit; where all fit, every contradiction between sections.
    """
    try:
        config = Config.model_validate(dict(content))
    except ValidationError as error:
        raise _refused(source, (explain(problem, Config) for problem in error.errors())) from None
    if problems := contradictions(config):
        raise _refused(source, problems)
    try:
        return with_studies(config)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None


def _refused(source: str, problems: Iterable[str]) -> ConfigError:
    lines = list(dict.fromkeys(problems))
    listing = "\n".join(f"  - {line}" for line in lines)
    noun = "problem" if len(lines) == 1 else "problems"
    return ConfigError(f"{source} has {len(lines)} {noun}:\n{listing}\nconfig/README.md describes every key.")
