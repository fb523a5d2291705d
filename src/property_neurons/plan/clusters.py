"""What rules ask about clusters of speech: their model, their settings, their stores, and which are used."""

from typing import Any

from property_neurons.config.root import Config
from property_neurons.plan import corpora, paths


def model(config: Config, name: str) -> str | list[str]:
    """The manifest of the model whose layer is clustered; none where log-Mel frames are clustered."""
    of = config.clusters[name].model
    return paths.manifest_if(None if of is None else paths.model(config, of))


def assigning_model(config: Config, name: str) -> str | list[str]:
    """As `model`, of what clusters are assigned by: a speaker's cluster is known once the speakers are clustered."""
    return [] if config.clusters[name].of == "speakers" else model(config, name)


def settings(config: Config, name: str) -> dict[str, Any]:
    """How points are clustered, as arguments of `codebooks.kmeans.fit_codebook`."""
    section = config.clusters[name]
    return section.model_dump(include={"clusters", "seed"}) | {"standardise": section.layer is None}


def stores(config: Config, corpus: str, name: str) -> list[str]:
    """The manifests of the clusters of a corpus's shards."""
    return corpora.shard_manifests(config, corpus, paths.clusters(config, corpus, name))


def used(config: Config) -> list[str]:
    """The clusters that a property uses as groups or in place of phones."""
    keys = {getattr(section, key, None) for section in config.properties.values() for key in ("clusters", "by")}
    return [name for name in config.clusters if name in keys]


def tables(config: Config) -> list[str]:
    """The tables that compare the used clusters with phones and speakers of the figures' corpus."""
    corpus = config.figures.corpus
    return [f"{config.results}/tables/clusters/{corpus}/{name}.tsv" for name in used(config)]
