"""How the labels of alignments are read: which phone a label stands for, and what it says beside (stress, tone).

Three tables ship, all of which lead to the 39 ARPABET phones of the paper, so that corpora of any of them share their
properties: `arpabet` (AH0, AH1), `timit` (the 61 labels) and `ipa-english-mfa` (the English dictionaries of the
Montreal Forced Aligner). A table of one's own may lead to other phones.
`python -m property_neurons.corpus.phone_tables timit` prints one, to begin one's own from.
"""

import argparse
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from property_neurons.corpus.group_names import name_problem
from property_neurons.corpus.own_tables import read_own_table
from property_neurons.corpus.phones import PHONE_CLASSES, PHONES, SILENCE, SPOKEN_NOISE, Inventory
from property_neurons.corpus.table_text import need_columns
from property_neurons.corpus.unknown_labels import counted
from property_neurons.errors import CorpusError, printable, some_of
from property_neurons.stores.outside import composed

MOST_PHONES = 125
"""Labels are stored as int8, silence and spoken noise among them."""

_SILENCES = frozenset({"", "sil", "sp", "<eps>", "<sil>", "silence"})
_NOISES = frozenset({"spn", "<unk>"})
_NOT_PHONES = {SILENCE: SILENCE, SPOKEN_NOISE: SPOKEN_NOISE}
# Label, phone, mark. After Lee and Hon (1989), Table I, who fold 61 labels into 39, with three exceptions: AO and ZH
# are phones of their own here, and the flap DX, for which ARPABET has no phone, is D, voiced as it is. The glottal
# stop, which they leave out, counts as spoken noise.
_TIMIT = """
aa AA|ae AE|ah AH|ao AO|aw AW|ax AH|ax-h AH|axr ER|ay AY|b B|bcl SIL|ch CH|d D|dcl SIL|dh DH|dx D|eh EH|el L|em M|en N
eng NG|epi SIL|er ER|ey EY|f F|g G|gcl SIL|h# SIL|hh HH|hv HH|ih IH|ix IH|iy IY|jh JH|k K|kcl SIL|l L|m M|n N|ng NG|nx N
ow OW|oy OY|p P|pau SIL|pcl SIL|q SPN|r R|s S|sh SH|t T|tcl SIL|th TH|uh UH|uw UW|ux UW|v V|w W|y Y|z Z|zh ZH
"""
# Of the dictionaries english_mfa, english_us_mfa, english_uk_mfa and their kin, 2.0 to 3.1. Palatal stops are
# allophones of velar ones, palatal nasals and laterals of alveolar ones, dental stops of dental fricatives.
_MFA = """
a AE|aː AA ː|aj AY|aw AW|b B|bʲ B ʲ|c K ʲ|cʰ K ʰ|cʷ K ʷ|d D|dʒ JH|dʲ D ʲ|d̪ DH ̪|e EH|eː EY ː|ej EY
f F|fʲ F ʲ|fʷ F ʷ|h HH|i IY|iː IY ː|j Y|k K|kp K|kʰ K ʰ|kʷ K ʷ|l L|m M|mʲ M ʲ|m̩ M ̩|n N|n̩ N ̩|o AO
oː OW ː|ow OW|p P|pʰ P ʰ|pʲ P ʲ|pʷ P ʷ|s S|t T|tʃ CH|tʰ T ʰ|tʲ T ʲ|tʷ T ʷ|t̪ TH ̪|u UW|uː UW ː|v V
vʲ V ʲ|vʷ V ʷ|w W|z Z|æ AE|ç HH ʲ|ð DH|ŋ NG|ɐ AH|ɑ AA|ɑː AA ː|ɒ AO|ɒː AO ː|ɔ AO|ɔj OY|ɖ D|ə AH|əw OW
ɚ ER|ɛ EH|ɛː EH ː|ɜ ER|ɜː ER ː|ɝ ER|ɟ G ʲ|ɟʷ G ʷ|ɡ G|g G|ɡʷ G ʷ|ɡb G|ɪ IH|ɫ L|ɫ̩ L ̩|ɱ M|ɲ N ʲ|ɹ R
ɾ D|ɾʲ D ʲ|ɾ̃ N|ʃ SH|ʈ T|ʈʲ T ʲ|ʈʷ T ʷ|ʉ UW|ʉː UW ː|ʊ UH|ʋ V|ʎ L ʲ|ʒ ZH|ʔ T ʔ|θ TH
"""


@dataclass(frozen=True)
class PhoneTable:
    """What labels stand for.

    name: of the set, for messages.
    spelled: {label: (a phone, SIL or SPN; mark)}; "" for no mark.
    phones: in the order of rows.
    classes: {class: phones}, each phone in one class at most.
    """

    name: str
    spelled: Mapping[str, tuple[str, str]]
    phones: tuple[str, ...] = PHONES
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(PHONE_CLASSES))

    @property
    def inventory(self) -> Inventory:
        """The phones and their classes."""
        return Inventory(self.phones, self.classes)

    @property
    def labels(self) -> tuple[str, ...]:
        """What a frame can be; see `Inventory`."""
        return self.inventory.labels

    def read(self, text: str) -> tuple[int, str] | None:
        """The index of a label in `labels`, and its mark; None where the table does not know it."""
        bare = composed(text.strip())
        found = self.spelled.get(bare)
        # In a table of one's own, as of SAMPA, s and S may be two phones.
        if found is None and self.name in SHIPPED:
            found = self.spelled.get(bare.lower())
        if found is None and (other := _stands_for(bare)):
            found = other, ""
        if found is None and self.name == "arpabet":
            phone = bare.upper().rstrip("012")
            found = (phone, bare[len(phone) :]) if phone in self.phones else None
        return None if found is None else (self._ids[found[0]], found[1])

    @property
    def _ids(self) -> Mapping[str, int]:
        return _ids_of(self.labels)

    def unknown(self, labels: Counter[str]) -> str:
        """What to say, and to do, of labels that the table does not know."""
        return (
            f"expected labels of the phone set {self.name} ({len(self.phones)} phones; sil, sp, '', spn), found "
            f"{counted(labels)}; say in the config what they stand for, as in phones: {{map: {{{min(labels)!r}: "
            f"{self.phones[0]}}}}}, or choose another `set`"
        )


@cache
def _ids_of(labels: tuple[str, ...]) -> Mapping[str, int]:
    return {label: index for index, label in enumerate(labels)}


def is_silence(text: str) -> bool:
    """Whether a label stands for silence, whatever the phone set."""
    return text.strip().lower() in _SILENCES


def _stands_for(text: str) -> str:
    """SIL or SPN where a label stands for silence or noise, whatever the phone set; else ""."""
    return SILENCE if is_silence(text) else SPOKEN_NOISE if text.strip().lower() in _NOISES else ""


def _shipped(name: str, text: str) -> PhoneTable:
    rows = [entry.split(" ") for line in text.strip().split("\n") for entry in line.split("|")]
    return PhoneTable(name, {composed(label): (phone, "".join(mark)) for label, phone, *mark in rows})


ARPABET = PhoneTable("arpabet", {})
SHIPPED = {
    "arpabet": ARPABET,
    "timit": _shipped("timit", _TIMIT),
    "ipa-english-mfa": _shipped("ipa-english-mfa", _MFA),
}


def phone_table(set: str = "arpabet", path: str | None = None, map: Mapping[str, str] | None = None) -> PhoneTable:
    """The table that a config names.

    Args:
        set: one of `SHIPPED`, or "file".
        path: of the table, for "file".
        map: {label: phone, SIL or SPN}, added to the table.

    Raises:
        CorpusError: the file is no such table, or `map` leads to something that is no phone of it.
    """
    table = SHIPPED[set] if path is None else read_phone_table(path)
    if not map:
        return table
    if wrong := sorted({phone for phone in map.values() if phone not in table.labels}):
        raise CorpusError(
            f"phones.map: expected phones of the set {table.name} ({', '.join(table.labels)}), found "
            f"{printable(', '.join(wrong))}; correct them"
        )
    return replace(table, spelled={**table.spelled, **{composed(label): (phone, "") for label, phone in map.items()}})


def read_phone_table(path: str | Path) -> PhoneTable:
    """Read a table of one's own: label, and, where there are any, phone (else the label), class and mark.

    Phones are in the order of their first rows, classes likewise. A label that leads to SIL or SPN has no class.

    Raises:
        CorpusError: no such table, a label twice, a phone in two classes, or more phones than `MOST_PHONES`.
    """
    # A syllable may be called na.
    rows = read_own_table(path, as_written=("label", "phone"))
    need_columns(path, rows.columns, {"label": "label"}, "corpora.NAME.phones.path")
    if again := sorted(set(rows["label"][rows["label"].duplicated()])):
        raise _refused(path, f"each label once, found several rows of {some_of(again)}", "leave one of them")
    blank = [""] * len(rows)
    spelled, classes = {}, {}
    columns = [list(rows[name]) if name in rows else blank for name in ("label", "phone", "class", "mark")]
    class_of: dict[str, str] = {}
    for label, phone, class_, mark in zip(*columns, strict=True):
        phone = phone or label
        # What is silence or noise in an alignment is so here, whatever its case, unless a class makes it a phone.
        phone = phone if class_ else _NOT_PHONES.get(_stands_for(phone), phone)
        if problem := name_problem(phone):
            raise _refused(path, f"a phone by name, found {problem}", "rename it")
        spelled[label] = phone, mark
        if phone not in _NOT_PHONES and class_of.setdefault(phone, class_) != class_:
            ways = " and ".join(repr(name) for name in (class_of[phone], class_))
            raise _refused(path, f"one class for each phone, found {ways} for {phone!r}", "leave one of the two")
    phones = tuple(class_of)
    if not 2 <= len(phones) <= MOST_PHONES:
        raise _refused(
            path, f"2 to {MOST_PHONES} phones, found {len(phones)}", "put what tells labels apart into `mark`"
        )
    for phone, class_ in class_of.items():
        if class_:
            classes.setdefault(class_, []).append(phone)
    own = {name: tuple(members) for name, members in classes.items()}
    # Rows that lead to phones of the paper, and to its classes, are another spelling of them.
    if set(phones) <= set(PHONES) and all(set(own[name]) <= set(PHONE_CLASSES.get(name, ())) for name in own):
        return PhoneTable(str(path), spelled)
    return PhoneTable(str(path), spelled, phones, own)


def _refused(path: str | Path, what: str, remedy: str) -> CorpusError:
    return CorpusError(f"{printable(path)}: expected {printable(what)}; {remedy}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m property_neurons.corpus.phone_tables", description="Print a shipped table of phone labels."
    )
    parser.add_argument("set", choices=SHIPPED, help="which labels")
    table = SHIPPED[parser.parse_args().set]
    class_of = {phone: name for name, phones in table.classes.items() for phone in phones}
    written = table.spelled or {phone: (phone, "") for phone in table.phones}
    print("label\tphone\tclass\tmark")
    for label, (phone, mark) in written.items():
        print(label, phone, class_of.get(phone, ""), mark, sep="\t")
