"""Check that confounds belong to defined properties and can vary within their groups."""

from property_neurons.config.checks.references import not_defined
from property_neurons.config.properties import ColumnProperty, F0Property, source_of
from property_neurons.config.root import Config
from property_neurons.config.statistics import CONFOUNDS

_OF_SPEAKERS = {"speaker", "gender"}


def problems(config: Config) -> list[str]:
    """Confounds that say nothing about their property."""
    key, found = "statistics.confounds", []
    given = {name: confound for name, confound in config.statistics.confounds.items() if confound is not None}
    for name, confound in given.items():
        section = config.properties.get(name)
        if section is None:
            continue
        if confound not in CONFOUNDS:
            columns = [one for one, other in config.properties.items() if isinstance(other, ColumnProperty)]
            if confound not in columns:
                known = ", ".join(dict.fromkeys((*CONFOUNDS, *columns)))
                found.append(f"{key}.{name}: expected one of {known}, or null, found {confound!r}")
                continue
            # Whatever its property is called, it is the column that groups are compared within.
            confound = source_of(config.properties[confound])
        if confound == source_of(section) or {confound, source_of(section)} <= _OF_SPEAKERS:
            found.append(
                f"{key}.{name}: in one {confound} there is one group of {name!r} alone, so nothing can be compared; "
                "name another confound, or null"
            )
        if confound == "speaker" and isinstance(section, F0Property) and section.within == "speaker":
            found.append(f"{key}.{name}: {name!r} is cut within: speaker already; name another confound, or null")
    return not_defined([(key, name, config.properties) for name in given]) + found
