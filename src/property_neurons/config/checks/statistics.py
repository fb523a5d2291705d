"""Check that confounds belong to defined properties and can vary within their groups."""

from property_neurons.config.checks.references import not_defined
from property_neurons.config.properties import ClusterProperty, F0Property, Property, may_confound, source_of
from property_neurons.config.root import Config
from property_neurons.config.statistics import CONFOUNDS, DEFAULT_CONFOUNDS

_OF_SPEAKERS = {"speaker", "gender"}


def problems(config: Config) -> list[str]:
    """Confounds that say nothing about their property."""
    key, found = "statistics.confounds", []
    for name, confound in config.statistics.given.items():
        section = config.properties.get(name)
        if section is None:
            continue
        other = config.properties.get(confound) if confound not in CONFOUNDS else None
        if confound not in CONFOUNDS and (other is None or not may_confound(other)):
            others = [one for one, other in config.properties.items() if may_confound(other)]
            known = ", ".join(dict.fromkeys((*CONFOUNDS, *others)))
            found.append(f"{key}.{name}: expected one of {known}, or null, found {confound!r}")
            continue
        # Whatever its property is called, it is what it is made of that groups are compared within.
        confound = confound if other is None else _made_of(other)
        if confound == _made_of(section) or {confound, _made_of(section)} <= _OF_SPEAKERS:
            found.append(
                f"{key}.{name}: in one {confound} there is one group of {name!r} alone, so nothing can be compared; "
                "name another confound, or null"
            )
        if confound == "speaker" and isinstance(section, F0Property) and section.within == "speaker":
            found.append(f"{key}.{name}: {name!r} is cut within: speaker already; name another confound, or null")
    # One with null counts too, unless it only takes a default back.
    named = [name for name, other in config.statistics.confounds.items() if other or name not in DEFAULT_CONFOUNDS]
    return not_defined([(key, name, config.properties) for name in named]) + found


def _made_of(section: Property) -> str:
    """What a property is made of, where two of the same would be one."""
    return f"cluster of {section.clusters}" if isinstance(section, ClusterProperty) else source_of(section)
