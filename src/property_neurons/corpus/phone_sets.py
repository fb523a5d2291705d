"""Ready-made sets of phones: one for each column of phone_features.tsv, a table of 39 phones and 15 features.

The table is for General American. Diphthongs have the height, backness and rounding of their first element; consonants
have none, as vowels have no place. W is labial, R alveolar.
"""

import csv
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from property_neurons.corpus.phones import PHONES
from property_neurons.errors import StoreError

PhoneSet = Literal[
    "manner",
    "place",
    "voicing",
    "height",
    "backness",
    "rounding",
    "tenseness",
    "rhotic",
    "diphthong",
    "syllabic",
    "sonorant",
    "continuant",
    "nasal",
    "lateral",
    "sibilant",
]
PHONE_SETS: tuple[PhoneSet, ...] = get_args(PhoneSet)
_TABLE = Path(__file__).with_name("phone_features.tsv")
# Groups are shown in this order; those of other sets in the order of the table.
_ORDER = {
    "manner": ("vowel", "approximant", "nasal", "fricative", "affricate", "stop"),
    "place": ("labial", "dental", "alveolar", "postalveolar", "palatal", "velar", "glottal"),
    "height": ("high", "mid", "low"),
    "backness": ("front", "central", "back"),
}


def phone_groups(name: PhoneSet) -> dict[str, list[str]]:
    """The groups of a ready-made set: phones by the value of the feature, those without a value left out."""
    values = {row["phone"]: row[name] for row in _features()}
    order = _ORDER.get(name) or tuple(dict.fromkeys(filter(None, values.values())))
    return {group: [phone for phone in PHONES if values[phone] == group] for group in order}


@cache
def _features() -> tuple[dict[str, str], ...]:
    with _TABLE.open(encoding="utf-8", newline="") as file:
        rows = tuple(csv.DictReader(file, delimiter="\t"))
    if [row["phone"] for row in rows] != list(PHONES):
        raise StoreError(f"{_TABLE}: expected a row for each of the 39 phones, found others; install the package again")
    return rows
