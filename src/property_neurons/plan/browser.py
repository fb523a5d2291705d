"""What rules ask about the neuron browser."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from property_neurons.config.corpora import DemoCorpus
from property_neurons.config.properties import of_cells_of_phones
from property_neurons.config.root import Config
from property_neurons.plan import analysis, corpora, paths

_WITH_A_PLANE = ("phone", "gender", "pitch", "duration")
_SYNTHETIC = "Synthetic speech by eSpeak NG, made by this workflow; free to use."
_NOT_STATED = "The config states no licence of this corpus (`browser.licences`): ask before you pass its sounds on."


def activations(config: Config, model: str, corpus: str) -> list[str]:
    """The manifests of a model's activation stores on a corpus."""
    return corpora.shard_manifests(config, corpus, paths.activations(config, model, corpus))


def indices(config: Config, models: Iterable[str]) -> list[str]:
    """The first pages of the browsers of some models on the corpus of the figures."""
    return [f"{config.results}/browser/{model}/{config.figures.corpus}/index.html" for model in models]


def assets() -> str:
    """A digest of the scripts and styles that are copied into the pages, which no fingerprint of code covers."""
    folder = Path(__file__).parents[1] / "browser/assets"
    return hashlib.blake2b(b"".join(file.read_bytes() for file in sorted(folder.iterdir())), digest_size=8).hexdigest()


def shown(config: Config) -> list[str]:
    """The properties of the pages."""
    if config.browser.properties is not None:
        return config.browser.properties
    return [name for name in analysis.used_properties(config) if of_cells_of_phones(config.properties[name])]


def values(config: Config, corpus: str) -> dict[str, list[str]]:
    """The manifests of the stores of frames' values that properties of the pages are made of, by property."""
    of_shown = {name: analysis.frame_values(config, corpus, name) for name in shown(config)}
    return {name: manifests for name, manifests in of_shown.items() if manifests}


def with_columns(config: Config, corpus: str) -> list[str]:
    """The properties of the pages that read the user's columns of a corpus."""
    return [name for name in shown(config) if analysis.columns(config, corpus, name)]


def planes(config: Config) -> list[str]:
    """The properties whose patterns the browser shows in the plane: those of the figures; many groups take an hour."""
    return [name for name in shown(config) if name in _WITH_A_PLANE]


def derived(config: Config, model: str) -> list[str]:
    """The manifests of the models made of this one that its pages look at."""
    made = [name for name in config.browser.derived if config.models[name].of == model]
    return [paths.manifest(paths.model(config, name)) for name in made]


def erasures(config: Config, model: str) -> list[str]:
    """The tables of the erasure studies that edit this model, or a fine-tuned one made of it."""
    return [paths.erasure_table(config, name) for name in config.browser.erasure if config.erasure[name].model == model]


def properties(config: Config) -> dict[str, dict[str, Any]]:
    """The settings of each property of the pages, in their order."""
    return {name: analysis.property_settings(config, name) for name in shown(config)}


def sampling(config: Config) -> dict[str, Any]:
    """Which frames count, as arguments of `counting.sampling.Sampling`."""
    return {key: value for key, value in analysis.counting_settings(config).items() if key != "lambda_"}


def choice(config: Config) -> dict[str, Any]:
    """Which neurons have a page, as arguments of `browser.tables.Choice`."""
    return config.browser.model_dump(include={"neurons", "random", "seed"})


def limits(config: Config) -> dict[str, float]:
    """The most that the pages may take, as arguments of `browser.pages.Limits`."""
    return {"layer_mb": config.browser.max_layer_mb, "total_mb": config.browser.max_mb}


def settings(config: Config) -> dict[str, str]:
    """The settings that the overview states."""
    options = config.analysis
    stated = {
        "preset": options.preset,
        "lambda": options.lambda_,
        "sigma": options.sigma,
        "threshold": options.threshold,
        "frames": options.frames,
        "least frames of a cell": options.min_count,
        "permutations of the null": config.statistics.permutations,
    }
    return {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in stated.items()}


def licence(config: Config, corpus: str) -> str:
    """The line of the pages about the licence of a corpus's sounds."""
    stated = config.browser.licences.get(corpus)
    return stated or (_SYNTHETIC if isinstance(config.corpora[corpus], DemoCorpus) else _NOT_STATED)
