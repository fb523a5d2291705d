"""Loading a configuration: all its errors at once, each naming the key, what was found and what would do."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from property_neurons.config.checks import contradictions, contradictions_with_studies
from property_neurons.config.expand_studies import with_studies
from property_neurons.config.explain import explain
from property_neurons.config.root import Config
from property_neurons.config.truth_values import truth_values
from property_neurons.errors import ConfigError, printable
from property_neurons.stores.outside import read_text


def load_config(content: Mapping[str, Any], source: str = "the configuration") -> Config:
    """Validate a configuration as read from YAML, and add the models and tasks of its studies.

    Raises:
        ConfigError: one message that lists every unknown key (with the nearest known one) and every value that
            does not fit; where all fit, every contradiction between sections.
    """
    try:
        config = Config.model_validate(dict(content))
    except ValidationError as error:
        raise _refused(source, (explain(problem, Config) for problem in error.errors())) from None
    if problems := [*truth_values(config, content), *contradictions(config)]:
        raise _refused(source, problems)
    try:
        config = with_studies(config)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    if problems := contradictions_with_studies(config):
        raise _refused(source, problems)
    return config


def load_files(files: Iterable[str | Path], overrides: Sequence[str] = ()) -> Config:
    """Read a configuration from files, as Snakemake does with `--configfile` and `--config`.

    Args:
        files: each later one changes keys of those before.
        overrides: "KEY=VALUE", the value in YAML.

    Raises:
        ConfigError, StoreError: as `load_config` and `check_written`; a file is absent or no YAML; an override has no
            value.
    """
    from snakemake.cli import parse_config
    from snakemake.common.configfile import load_configfile
    from snakemake.exceptions import WorkflowError
    from snakemake.utils import update_config

    files = list(map(str, files))
    content: dict[str, Any] = {}
    check_written(files)
    try:
        for file in files:
            update_config(content, load_configfile(file))
        update_config(content, parse_config(overrides))
    except OSError as error:
        raise ConfigError(
            f"{printable(str(error.filename))}: expected a configuration in YAML, found {error.strerror}; correct the "
            "path"
        ) from None
    except (WorkflowError, ValueError) as error:
        raise ConfigError(str(error)) from None
    return load_config(content, ", ".join(files))


def check_written(files: Iterable[str | Path]) -> None:
    """Refuse configuration files with a key that stands twice: YAML parsers silently take the last one.

    Files that Snakemake fills in as YTE templates may repeat keys (`?if`), and are not looked at.

    Raises:
        ConfigError: a key stands twice in one section; the message names the file, the key and both lines.
        StoreError: a file is not UTF-8.
    """
    for file in files:
        text = read_text(file) if Path(file).is_file() else ""
        if "__use_yte__" in text:
            continue
        try:
            node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.YAMLError:
            # Snakemake says what is wrong with it.
            continue
        if problems := list(_repeated(node, "")):
            raise _refused(printable(file), problems)


def _repeated(node: yaml.Node | None, above: str) -> Iterator[str]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item, above)
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        name, line = f"{above}{key.value}", key.start_mark.line + 1
        if name in lines:
            yield f"{printable(name)}: expected once, found in lines {lines[name]} and {line}; leave one of the two"
        lines.setdefault(name, line)
        yield from _repeated(value, f"{name}.")


def _refused(source: str, problems: Iterable[str]) -> ConfigError:
    lines = list(dict.fromkeys(problems))
    listing = "\n".join(f"  - {line}" for line in lines)
    noun = "problem" if len(lines) == 1 else "problems"
    return ConfigError(f"{source} has {len(lines)} {noun}:\n{listing}\nconfig/README.md describes every key.")
