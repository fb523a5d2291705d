"""The parts of the test utterances in figures of erasures: names, looks, and which of them changed."""

from collections.abc import Sequence
from types import MappingProxyType

import pandas as pd

from property_neurons.editing.vocabulary import ALL
from property_neurons.erasure.table_terms import CROSS_ENTROPY, MEAN, OTHERS, OWN, mean_count
from property_neurons.figures import style

_PHONES = "phone_recognition"
_MEASURES = MappingProxyType(
    {
        "speaker_identification": "speaker error",
        _PHONES: "phone error",
        "f0_reconstruction": "MSE of ln F0",
        CROSS_ENTROPY: "cross-entropy",
    }
)


def measure_title(table: pd.DataFrame) -> str:
    """What the rows of one metric measure, with its unit."""
    unit = table["unit"].iloc[0]
    return f"change of {_MEASURES[table['metric'].iloc[0]]}" + (f" ({unit})" if unit in ("points", "nats") else "")


def part_title(part: str, metric: str, property_: str) -> str:
    """The name of a part; all phones together are counted with insertions, which belong to no class.

    Args:
        property_: whose groups the parts are.
    """
    everyone = "all, with insertions" if metric == _PHONES else "all"
    titles = {OWN: "the erased group", OTHERS: "all others", ALL: everyone}
    return titles.get(part, style.group_title(part, property_))


def neurons_title(neurons: float) -> str:
    """How many neurons, a mean over seeds: "314 neurons"; few with a decimal, so that a third of one is not none."""
    return f"{neurons:.0f} neurons" if neurons >= 10 else f"{mean_count(neurons)} neurons"


def mean_title(groups: int, property_: str) -> str:
    """What stands over a panel of the mean over erased groups: "mean of 12 speakers"."""
    return f"mean of {groups} {'speakers' if property_ == 'speaker' else 'groups'}"


def random_title(draws: int, seeds: int) -> str:
    """How many random sets stand for a group: "15 sets (5 for each of 3 seeds)"; "" for a single one."""
    sets = draws * seeds
    return "" if sets == 1 else f"{sets} sets" if seeds == 1 else f"{sets} sets ({draws} for each of {seeds} seeds)"


def what_changed(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows of a table that are drawn, and a sentence about the others: erasures that changed no answer.

    Args:
        table: property, erased, metric, neurons, delta, low, high; only rows of group neurons.

    Returns:
        `table` without the metrics and groups whose values and intervals are all zero. At least one group stays.
    """
    zero = table[["delta", "low", "high"]].eq(0).all(axis=1)
    of_metric, of_group = (zero.groupby(table[column], sort=False).all() for column in ("metric", "erased"))
    still = [] if of_metric.all() else [metric for metric, none in of_metric.items() if none]
    groups = [group for group, none in of_group.items() if none and group != MEAN]
    neurons = table.groupby("erased")["neurons"].max()
    said = [f"No answer changed, so not drawn: {_MEASURES[metric]}" for metric in still]
    if groups:
        property_ = table["property"].iloc[0]
        named = ", ".join(f"{style.group_title(one, property_)} ({neurons_title(neurons[one])})" for one in groups)
        said.append(f"No answer changed by erasing {named}")
    left_out = groups[1:] if of_group.all() else groups
    return table[~table["metric"].isin(still) & ~table["erased"].isin(left_out)], "; ".join(said)


def part_looks(parts: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each part; all utterances together are black."""
    known = {OWN: (style.BLUE, "o"), OTHERS: (style.VERMILLION, "s"), ALL: (style.REFERENCE, "D")}
    groups = [part for part in dict.fromkeys(parts) if part not in known]
    return style.group_looks(groups) | known
