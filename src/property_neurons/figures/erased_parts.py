"""What an erasure is measured on: the parts of the test utterances, their looks, and the name of the measure."""

from collections.abc import Sequence

import pandas as pd

from property_neurons.editing.vocabulary import ALL
from property_neurons.erasure.table_terms import CROSS_ENTROPY, OTHERS, OWN
from property_neurons.figures import style


def measure_title(table: pd.DataFrame) -> str:
    """What the rows of one metric measure, with its unit."""
    what = {
        "speaker_identification": "speaker error",
        "phone_recognition": "phone error",
        "f0_reconstruction": "MSE of ln F0",
        CROSS_ENTROPY: "cross-entropy",
    }[table["metric"].iloc[0]]
    unit = table["unit"].iloc[0]
    return f"change of {what}" + (f" ({unit})" if unit in ("points", "nats") else "")


def part_looks(parts: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each part; all utterances together are black."""
    known = {OWN: (style.BLUE, "o"), OTHERS: (style.VERMILLION, "s"), ALL: (style.REFERENCE, "D")}
    groups = [part for part in dict.fromkeys(parts) if part not in known]
    return style.group_looks(groups) | known
