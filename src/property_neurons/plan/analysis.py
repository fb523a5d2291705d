"""Inputs and settings of rules for ranks, counts and patterns; a result gets only settings that can change it."""

from typing import Any

from property_neurons.config.properties import (
    READY_MADE,
    ClusterProperty,
    ColumnProperty,
    DurationProperty,
    F0Property,
    IntervalProperty,
    MarkProperty,
    PhoneSetProperty,
    Property,
    TierProperty,
    TrackProperty,
    WordProperty,
    may_confound,
)
from property_neurons.config.root import Config
from property_neurons.config.statistics import CONFOUNDS
from property_neurons.corpus.tracks import TRACKS as TRACKS
from property_neurons.plan import clusters, corpora, paths


def ranks(config: Config, model: str, corpus: str) -> list[str]:
    """The manifests of a model's rank stores on a corpus."""
    return corpora.shard_manifests(config, corpus, paths.ranks(config, model, corpus))


def property_settings(config: Config, name: str) -> dict[str, Any]:
    """A property's definition with the options of the method that can change it, and no others.

    The params of a rule decide what runs again: a pitch cut belongs to pitch alone.
    """
    return _settings(config, config.properties[name])


def _settings(config: Config, section: Property) -> dict[str, Any]:
    settings = _own_settings(config, section)
    # Clusters that stand in place of phones are phones to all that counts.
    return settings | ({"by": "phone"} if settings.get("by") in config.clusters else {})


def _own_settings(config: Config, section: Property) -> dict[str, Any]:
    options = config.analysis
    if isinstance(section, PhoneSetProperty):
        return {"column": "label", "groups": section.groups}
    if isinstance(section, ColumnProperty):
        return section.model_dump(exclude={"cuts", "within", "names"} if section.cuts is None else {"order"})
    if isinstance(section, MarkProperty):
        of = "mark" if section.dictionary is None else "phone interval"
        return {"of": of, "groups": section.marks, "by": section.by}
    if isinstance(section, TierProperty | IntervalProperty):
        return {"of": "interval", "groups": section.groups, "by": section.by}
    if isinstance(section, ClusterProperty):
        of = "interval" if config.clusters[section.clusters].of == "frames" else "utterance interval"
        return {"of": of, "groups": section.groups, "by": section.by}
    settings = section.model_dump(exclude={"tier", "dictionary"})
    if isinstance(section, F0Property):
        keys = ("pitch_cuts", "at_lower_cut", "f0_padding", "pitch_phones")
        settings |= {key: getattr(options, key) for key in keys}
        if section.within == "speaker" and not isinstance(options.pitch_cuts, str):
            settings["pitch_cuts"] = "tertiles"
        if (cuts := settings.pop("cuts")) is not None:
            settings["pitch_cuts"] = cuts
    return settings


def frame_values(config: Config, corpus: str, name: str) -> list[str]:
    """The manifests of the stores of frames' values that a property, or a confound, is made of; none for most."""
    section = config.properties.get(name)
    if isinstance(section, TrackProperty):
        return corpora.shard_manifests(config, corpus, paths.frame_values(config, corpus, section.track))
    if isinstance(section, ClusterProperty):
        return clusters.stores(config, corpus, section.clusters)
    if name in of_intervals(config):
        return corpora.shard_manifests(config, corpus, paths.intervals(config, corpus, name))
    return []


def units(config: Config, corpus: str, name: str) -> list[str]:
    """The manifests of the clusters of frames that stand in place of phones in a property; none for most."""
    by = getattr(config.properties[name], "by", "phone")
    return clusters.stores(config, corpus, by) if by in config.clusters else []


def columns(config: Config, corpus: str, *names: str) -> list[str]:
    """The user's columns of a corpus (`corpora.columns`), where one of these properties reads them."""
    sections = [config.properties.get(name) for name in names]
    known = {"speaker", "gender", "subset", *corpora.path_fields(config, corpus)}
    own = any(isinstance(section, ColumnProperty) and section.column not in known for section in sections)
    return corpora.columns(config, corpus) if own else []


def of_intervals(config: Config) -> list[str]:
    """The properties that are made of intervals of frames, in stores by property."""
    return [
        name
        for name, section in config.properties.items()
        if isinstance(section, TierProperty | IntervalProperty | WordProperty)
        or (isinstance(section, MarkProperty) and section.dictionary is not None)
    ]


def interval_source(config: Config, corpus: str, subset: str, name: str) -> dict[str, Any]:
    """Where intervals come from, as `corpus.frame_intervals.write_intervals` takes it."""
    section = config.properties[name]
    if isinstance(section, IntervalProperty):
        return {"kind": "table", "path": corpora.under(config, section.intervals)}
    if getattr(section, "dictionary", None) is not None:
        what = "stress" if isinstance(section, MarkProperty) else "words"
        return {"kind": "dictionary", "path": corpora.under(config, section.dictionary), "what": what}
    path = getattr(section, "path", None)
    if path is not None:
        return {"kind": "tier", "tier": section.tier, "path": corpora.under(config, path, subset)}
    source = {"kind": config.corpora[corpus].kind, "subset": subset}
    return {
        "kind": "tier",
        "tier": section.tier,
        "subset": source | {"settings": corpora.scan_source(config, corpus, subset)},
    }


def interval_files(config: Config, corpus: str, subset: str, name: str) -> list[str]:
    """The files that intervals are read from; TextGrids are read, not tracked."""
    source = interval_source(config, corpus, subset, name)
    return [] if source["kind"] == "tier" else [source["path"]]


def used_properties(config: Config) -> list[str]:
    """The properties of the paper and of the config, and the ready-made ones that the config shows."""
    return [name for name in config.properties if READY_MADE.get(name) != config.properties[name]]


def counting_settings(config: Config) -> dict[str, Any]:
    """Lambda and the choice of frames, which every property's counts depend on."""
    return config.analysis.model_dump(include={"lambda_", "frames", "last_run", "equal_neighbours"})


def pattern_settings(config: Config) -> dict[str, Any]:
    """What turns counts into activation patterns, as fields of `neurons.definition.SetDefinition`."""
    return {
        "threshold": config.analysis.threshold,
        "min_count": config.analysis.min_count,
        "cells": config.statistics.cells,
    }


def cells_of_sets(config: Config) -> str:
    """The last part of the name of the tables that say how many frames each cell of a set has."""
    return "balanced_cells" if config.statistics.balance else "cells"


def set_definition(config: Config) -> dict[str, Any]:
    """What turns counts into neuron sets, as fields of `neurons.definition.SetDefinition`."""
    return pattern_settings(config) | {
        "sigma": config.analysis.sigma,
        "rare_cells": config.statistics.rare_cells,
    }


def statistics_settings(config: Config) -> dict[str, Any]:
    """The settings of the statistics, as arguments of `neurons.statistics.report.neuron_statistics`."""
    return config.statistics.model_dump(include={"permutations", "halves", "seed"})


def by_strata(config: Config, name: str, confound: str) -> bool:
    """Whether a confound gives a property other groups, rather than strata: pitch given the speaker is relative."""
    return confound == "speaker" and isinstance(config.properties[name], F0Property)


def strata_settings(config: Config, name: str, confound: str) -> dict[str, Any]:
    """The strata that divide the groups of a property, as arguments of `counting.strata.make_crossed`."""
    if by_strata(config, name, confound):
        # Its cuts are in Hz, and say nothing of semitones.
        return _settings(config, config.properties[name].model_copy(update={"within": "speaker", "cuts": None}))
    if confound == "f0":
        return {"column": "f0", "f0_padding": config.analysis.f0_padding}
    if confound == "duration":
        own = config.properties.get("duration")
        return _settings(config, own if isinstance(own, DurationProperty) else DurationProperty(column="duration"))
    if confound not in CONFOUNDS:
        return _settings(config, config.properties[confound])
    return {"column": confound}


def confound_names(config: Config) -> list[str]:
    """The names that can be a confound: those that every corpus has, and all properties but those of phones alone."""
    others = [name for name, section in config.properties.items() if may_confound(section)]
    return list(dict.fromkeys((*CONFOUNDS, *others)))
