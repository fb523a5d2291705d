"""Check that clusters name defined models, and properties name defined clusters."""

from property_neurons.config.checks.models import ancestors
from property_neurons.config.checks.references import not_defined
from property_neurons.config.properties import ClusterProperty, MarkProperty
from property_neurons.config.root import Config


def problems(config: Config) -> list[str]:
    """What is wrong with clusters, and with the properties that are made of them."""
    found = not_defined(
        (f"clusters.{name}.model", section.model, config.models) for name, section in config.clusters.items()
    )
    frames = [name for name, section in config.clusters.items() if section.of == "frames"]
    known = ("phone", "none", *frames)
    for name, section in config.properties.items():
        key, by = f"properties.{name}", getattr(section, "by", "phone")
        if isinstance(section, ClusterProperty):
            found += not_defined([(f"{key}.clusters", section.clusters, config.clusters)])
        if by not in known:
            found.append(f"{key}.by: expected {', '.join(known)} (names of `clusters` of frames), found {by!r}")
        elif by in frames and isinstance(section, MarkProperty):
            found.append(
                f"{key}.by: marks are of phones, so {by!r} cannot stand in their place; take `phone` or `none`"
            )
        elif by in frames and isinstance(section, ClusterProperty) and section.clusters == by:
            found.append(f"{key}.by: each cluster of {by!r} holds itself alone; take `phone` or `none`")
    found += [
        f"clusters.{name}.model: {section.model!r} is made by {', '.join(sorted(circle))}, of these clusters; name "
        "another model"
        for name, section in config.clusters.items()
        if (circle := _properties_under(config, section.model) & _made_of(config, name))
    ]
    taken = [name for name in config.clusters if name in ("phone", "none")]
    return found + [
        f"clusters.{name}: `by` has a meaning of its own for {name!r}; choose another name" for name in taken
    ]


def _properties_under(config: Config, model: str | None) -> set[str]:
    """The properties whose neurons were pruned or edited in a model, or in a model that it is made of."""
    under = {model, *ancestors(config, model)} if model in config.models else set()
    sections = [config.models[name] for name in under if name in config.models]
    return {
        name
        for section in sections
        for name in (*getattr(section, "properties", ()), *filter(None, [getattr(section, "property", None)]))
    }


def _made_of(config: Config, clusters: str) -> set[str]:
    return {
        name
        for name, section in config.properties.items()
        if clusters in (getattr(section, "clusters", None), getattr(section, "by", None))
    }
