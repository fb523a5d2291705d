"""The 39 ARPABET phones, their classes, and the labels of an alignment.

The order of `PHONES` is the row order of every pattern matrix (it enters MDS through its random
start), and a label's index in `LABELS` is its id in every store.
"""

from collections.abc import Mapping, Sequence

from property_neurons.corpus.group_names import names_problem
from property_neurons.errors import printable

VOWELS = ("AH", "IH", "IY", "EH", "ER", "AE", "AY", "EY", "AO", "AA", "OW", "UW", "AW", "UH", "OY")
VOICED_CONSONANTS = ("N", "D", "R", "L", "DH", "M", "Z", "W", "V", "B", "NG", "G", "Y", "JH", "ZH")
UNVOICED_CONSONANTS = ("T", "S", "K", "HH", "F", "P", "SH", "TH", "CH")

PHONE_CLASSES = {
    "vowel": VOWELS,
    "voiced consonant": VOICED_CONSONANTS,
    "unvoiced consonant": UNVOICED_CONSONANTS,
}

PHONES = VOWELS + VOICED_CONSONANTS + UNVOICED_CONSONANTS
SILENCE = "SIL"
SPOKEN_NOISE = "SPN"
LABELS = (*PHONES, SILENCE, SPOKEN_NOISE)
NEVER_IN_A_SET = (SILENCE, SPOKEN_NOISE)
# Of a cell that does not ask for the phone.
ANY = "any"

LABEL_IDS = {label: index for index, label in enumerate(LABELS)}
SILENCE_ID = LABEL_IDS[SILENCE]
SPOKEN_NOISE_ID = LABEL_IDS[SPOKEN_NOISE]


def group_problems(groups: Mapping[str, Sequence[str]]) -> str:
    """What is wrong with named groups of phones, of which each may be in one group at most; "" if nothing is."""
    listed = [phone for phones in groups.values() for phone in phones]
    if not groups:
        return "no groups"
    problems = {
        "unknown phones": sorted(set(listed) - set(PHONES)),
        "phones in two groups": sorted({phone for phone in listed if listed.count(phone) > 1}),
        "empty groups": sorted(group for group, phones in groups.items() if not phones),
    }
    found = [f"{problem}: {', '.join(map(printable, names))}" for problem, names in problems.items() if names]
    return "; ".join(filter(None, [names_problem(list(groups)), *found]))
