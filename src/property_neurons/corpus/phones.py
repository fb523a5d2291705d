"""The phones of a corpus, their classes, and the labels of an alignment; by default the 39 ARPABET phones of the paper.

The order of the phones is the row order of every pattern matrix (it enters MDS through its random
start), and a label's index in the labels is its id in every store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from property_neurons.corpus.group_names import names_problem
from property_neurons.errors import CorpusError, printable, some_of

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


@dataclass(frozen=True)
class Inventory:
    """The phones of a corpus.

    phones: in the order of rows.
    classes: {class: phones}, each phone in one class at most.
    """

    phones: tuple[str, ...]
    classes: Mapping[str, tuple[str, ...]]

    @property
    def labels(self) -> tuple[str, ...]:
        """What a frame can be: the phones, silence, spoken noise. Stores hold indices of it."""
        return (*self.phones, *NEVER_IN_A_SET)

    @property
    def silence(self) -> int:
        """The label of silence."""
        return len(self.phones)

    @property
    def spoken_noise(self) -> int:
        """The label of sounds that are not phones, and of speech without an alignment."""
        return len(self.phones) + 1

    def class_of(self, phone: str) -> str:
        """The class that a phone is in, "" for none."""
        return next((name for name, phones in self.classes.items() if phone in phones), "")

    def need_the_paper_s(self, where: str, what: str) -> None:
        """Refuse phones other than the 39.

        Args:
            where: the corpus or store, for the message.
            what: the part of the project that knows the 39 alone.

        Raises:
            CorpusError: the phones are others.
        """
        if self.phones != PHONES:
            others = [phone for phone in self.phones if phone not in PHONES]
            raise CorpusError(
                f"{printable(where)}: {what} knows the 39 ARPABET phones alone, found "
                f"{'others (' + some_of(others) + ')' if others else 'some of them, or another order'}; "
                "map the labels to these in the table of `phones`, or choose another corpus"
            )


PAPER_PHONES = Inventory(PHONES, PHONE_CLASSES)


def group_problems(groups: Mapping[str, Sequence[str]], phones: Sequence[str] | None = PHONES) -> str:
    """What is wrong with named groups of phones, where each phone may be in one group at most; "" if nothing is.

    Args:
        phones: all phones of the corpus; None where they are not known.
    """
    listed = [phone for phones in groups.values() for phone in phones]
    if not groups:
        return "no groups"
    problems = {
        "unknown phones": [] if phones is None else sorted(set(listed) - set(phones)),
        "phones in two groups": sorted({phone for phone in listed if listed.count(phone) > 1}),
        "empty groups": sorted(group for group, phones in groups.items() if not phones),
    }
    found = [f"{problem}: {', '.join(map(printable, names))}" for problem, names in problems.items() if names]
    return "; ".join(filter(None, [names_problem(list(groups)), *found]))
