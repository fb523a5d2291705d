"""What labels stand for: the tables that ship, held against published ones, and tables of one's own."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from pocketsphinx import get_model_path

from property_neurons.corpus.phone_tables import ARPABET, SHIPPED, phone_table, read_phone_table
from property_neurons.corpus.phones import PHONES, UNVOICED_CONSONANTS, VOWELS
from property_neurons.errors import CorpusError

# Lee and Hon (1989), "Speaker-independent phone recognition using hidden Markov models", Table I, as Kaldi's recipe for
# TIMIT has it (egs/timit/s5/conf/phones.60-48-39.map): what folds into what; every other of the 61 labels is itself.
LEE_AND_HON = {
    **dict.fromkeys(["ao"], "aa"),
    **dict.fromkeys(["ax", "ax-h"], "ah"),
    **dict.fromkeys(["axr"], "er"),
    **dict.fromkeys(["hv"], "hh"),
    **dict.fromkeys(["ix"], "ih"),
    **dict.fromkeys(["el"], "l"),
    **dict.fromkeys(["em"], "m"),
    **dict.fromkeys(["en", "nx"], "n"),
    **dict.fromkeys(["eng"], "ng"),
    **dict.fromkeys(["zh"], "sh"),
    **dict.fromkeys(["ux"], "uw"),
    **dict.fromkeys(["bcl", "dcl", "gcl", "pcl", "tcl", "kcl", "h#", "pau", "epi"], "sil"),
}
OF_THEIR_39 = "aa ae ah aw ay b ch d dh dx eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh sil t th uh uw v w y z"
# The phones of the dictionaries english_mfa, english_us_mfa and english_uk_mfa, 3.1.0, by their meta.json
# (github.com/MontrealCorpusTools/mfa-models, CC BY 4.0).
MFA = """
a aj aw aː b bʲ c cʰ cʷ d dʒ dʲ d̪ e ej eː f fʲ h i iː j k kp kʰ kʷ l m mʲ m̩ n o ow oː p pʰ pʲ pʷ s t tʃ tʰ tʲ tʷ t̪ u
uː v vʲ w z æ ç ð ŋ ɐ ɑ ɑː ɒ ɒː ɔ ɔj ɖ ə əw ɚ ɛ ɛː ɜ ɜː ɝ ɟ ɟʷ ɡ ɡʷ ɪ ɫ ɲ ɹ ɾ ʃ ʈ ʈʲ ʈʷ ʉ ʉː ʊ ʋ ʎ ʒ θ n̩ ɫ̩ ɱ ɾʲ ɾ̃ ʔ vʷ
"""
# Of english_us_mfa: words that the CMU dictionary has too.
WORDS = {
    "pervading": "pʰ ɚ v ej dʲ ɪ ŋ",
    "perverse": "pʰ ɚ v ɝ s",
    "pessimism": "pʰ ɛ s ə mʲ ɪ z m̩",
    "pester": "pʰ ɛ s t ɚ",
    "pesticides": "pʰ ɛ s tʲ ɪ s aj d z",
    "peter": "pʰ iː t ɚ",
    "petition": "pʰ ə tʰ ɪ ʃ ə n",
    "petroleum": "pʰ ə t ɹ ow ʎ i m̩",
    "petty": "pʰ ɛ tʲ i",
    "phase": "f ej z",
    "philanthropist": "f ə l æ n θ ɹ ə pʲ ɪ s t",
    "philharmonic": "fʲ ɪ ɫ h ɑ ɹ m ɑ ɲ ɪ k",
    "philosophy": "fʲ ɪ l ɑ s ə fʲ i",
    "phoenix": "fʲ iː ɲ ɪ k s",
    "phone": "f ow n",
    "phosphate": "f ɑ s f ej t",
    "photograph": "f ow t ə ɟ ɹ æ f",
    "photographer": "f ə tʰ ɑ ɡ ɹ ə f ɚ",
    "phrase": "f ɹ ej z",
    "physician": "fʲ ɪ z ɪ ʃ ə n",
    "physics": "fʲ ɪ z ɪ k s",
    "physiology": "fʲ ɪ z i ɑ l ə dʒ i",
    "pianist": "pʰ i æ ɲ ɪ s t",
    "piano": "pʰ i æ n ow",
    "petunia": "pʰ ə tʰ ʉː ɲ ə",
    "petulant": "pʰ ɛ tʃ ə l ə n t",
    "pharmacy": "f ɑ ɹ m ə s i",
    "pharmacist": "f ɑ ɹ m ə s ɪ s t",
    "phantom": "f æ n t m̩",
}


def phone(table, label):
    found = table.read(label)
    return None if found is None else table.labels[found[0]]


def test_arpabet_keeps_the_stress():
    assert [ARPABET.read(label) for label in ("AH0", "ah1", "AA2", "AH", "T")] == [
        (0, "0"),
        (0, "1"),
        (9, "2"),
        (0, ""),
        (PHONES.index("T"), ""),
    ]
    assert [phone(ARPABET, label) for label in ("", " sil ", "<eps>", "spn", "<UNK>")] == ["SIL"] * 3 + ["SPN"] * 2
    assert ARPABET.read("AH3") is ARPABET.read("q") is ARPABET.read("0") is None


def test_timit_folds_as_lee_and_hon_do():
    table = SHIPPED["timit"]
    labels = set(table.spelled)
    assert len(labels) == 61
    folded = {label: LEE_AND_HON.get(label, label) for label in labels - {"q"}}
    assert sorted(set(folded.values())) == OF_THEIR_39.split()
    # What this table tells apart and they do not, and the one sound for which ARPABET has no phone.
    own = {"AO": "aa", "ZH": "sh"}
    for label, theirs in folded.items():
        expected = "d" if label == "dx" else theirs
        ours = phone(table, label)
        assert own.get(ours, ours.lower()) == expected, label
    assert phone(table, "q") == "SPN"
    assert {phone(table, label) for label in labels} == {*PHONES, "SIL", "SPN"}


def test_every_phone_of_the_english_mfa_dictionaries_is_read():
    table = SHIPPED["ipa-english-mfa"]
    assert [label for label in MFA.split() if table.read(label) is None] == []
    assert {phone(table, label) for label in MFA.split()} == set(PHONES)
    marked = {label: table.read(label)[1] for label in ("tʰ", "iː", "t", "n̩")}
    assert marked == {"tʰ": "ʰ", "iː": "ː", "t": "", "n̩": "̩"}
    unvoiced = {label for label in MFA.split() if phone(table, label) in UNVOICED_CONSONANTS}
    assert {label[0] for label in unvoiced} == set("cçfhkpstʃʈʔθ")
    assert {label[0] for label in MFA.split() if phone(table, label) in VOWELS} == set("aeiouæɐɑɒɔəɚɛɜɝɪʉʊ")


def test_mfa_words_are_those_of_the_cmu_dictionary():
    """Which phone a label stands for, held against another dictionary: nothing but reduced vowels may differ."""
    table, cmu = SHIPPED["ipa-english-mfa"], {}
    for line in Path(get_model_path(), "en-us/cmudict-en-us.dict").read_text(encoding="utf-8").splitlines():
        word, *phones = line.split()
        cmu.setdefault(re.sub(r"\(\d+\)$", "", word), []).append(phones)
    same = total = 0
    for word, spelled in WORDS.items():
        ours = [phone(table, label) for label in spelled.split()]
        best = max(cmu[word], key=lambda theirs: _agreeing(ours, theirs))
        same, total = same + _agreeing(ours, best), total + max(len(ours), len(best))
        assert [p for p in ours if p not in VOWELS] == [p for p in best if p not in VOWELS], word
    assert same / total > 0.9


def _agreeing(ours, theirs):
    import difflib

    return sum(
        block.size for block in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks()
    )


def test_a_table_of_ones_own(tmp_path):
    path = tmp_path / "phones.tsv"
    path.write_text(
        "label\tphone\tclass\tmark\nma1\tma\tsyllable\t1\nma4\tma\tsyllable\t4\ns\t\tfricative\t\n#\tSIL\t\t\n"
    )
    table = read_phone_table(path)
    assert (table.phones, table.labels) == (("ma", "s"), ("ma", "s", "SIL", "SPN"))
    assert table.classes == {"syllable": ("ma",), "fricative": ("s",)}
    assert [table.read(label) for label in ("ma1", "ma4", "s", "#", "sil")] == [
        (0, "1"),
        (0, "4"),
        (1, ""),
        (2, ""),
        (2, ""),
    ]
    assert table.read("ma2") is None
    # In SAMPA s and S are two phones.
    assert table.read("S") is None
    path.write_text("label\tclass\tmark\nna\tstop\tNA\nnan\tNA\t1\n")
    table = read_phone_table(path)
    assert (table.phones, table.classes) == (("na", "nan"), {"stop": ("na",)})
    assert [table.read(label)[1] for label in ("na", "nan")] == ["", "1"]


def test_silence_and_noise_are_no_phones_of_a_table_that_lists_them(tmp_path):
    """With a row that adds nothing they are what they are without it; a class makes a phone of any name."""
    path = tmp_path / "phones.tsv"
    path.write_text("label\tphone\tclass\na\t\tv\nt\t\tc\nsil\t\t\nSp\t\t\npau\tsil\t\nSPN\tspn\t\nnoise\tSpn\t\n")
    table = read_phone_table(path)
    assert table.phones == ("a", "t")
    found = [table.labels[table.read(label)[0]] for label in ("sil", "Sp", "pau", "SPN", "noise")]
    assert found == ["SIL", "SIL", "SIL", "SPN", "SPN"]
    path.write_text("label\tphone\tclass\na\t\tv\nsil\t\tc\n")
    assert read_phone_table(path).phones == ("a", "sil")


def test_labels_are_compared_in_composed_form(tmp_path):
    composed, apart = "\u00e3", "a\u0303"
    path = tmp_path / "phones.tsv"
    path.write_text(f"label\n{apart}\nt\n")
    table = read_phone_table(path)
    assert table.read(apart) == table.read(composed) == (0, "")
    own = phone_table("file", str(path), {apart + "1": composed})
    assert own.read(composed + "1") == (0, "")
    # A cedilla, in the table that ships.
    assert SHIPPED["ipa-english-mfa"].read("c\u0327") == SHIPPED["ipa-english-mfa"].read("\u00e7") is not None


def test_another_spelling_of_the_39_phones(tmp_path):
    path = tmp_path / "phones.csv"
    path.write_text("label,phone\n@,AH\nsz,S\n")
    table = phone_table("file", str(path), {"x": "K"})
    assert table.phones == PHONES
    assert [phone(table, label) for label in ("@", "sz", "x", "AH")] == ["AH", "S", "K", None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("phone\nAH\n", "'label' (the label), found phone"),
        ("label\tphone\na\tAH\na\tAA\n", "each label once, found several rows of a"),
        ("label\tphone\tclass\na\tX\tvowel\nb\tX\tstop\n", "found 'vowel' and 'stop' for 'X'"),
        ("label\na\n", "2 to 125 phones, found 1"),
        ("label\n" + "".join(f"a{n}\n" for n in range(126)), "2 to 125 phones, found 126"),
    ],
)
def test_tables_that_are_none(tmp_path, text, said):
    (tmp_path / "phones.tsv").write_text(text)
    with pytest.raises(CorpusError) as error:
        read_phone_table(tmp_path / "phones.tsv")
    assert said in str(error.value)


def test_map_leads_to_phones_of_the_set():
    with pytest.raises(CorpusError, match=r"phones\.map: expected phones of the set arpabet .* found XX"):
        phone_table(map={"q": "XX"})


def test_unknown_labels_are_listed_with_counts_and_the_line_that_maps_them():
    said = ARPABET.unknown(Counter({"QX": 2, "ʔ": 1}))
    assert "found 'QX' (2 times), 'ʔ' (1 time)" in said
    assert "phones: {map: {'QX': AH}}" in said


def test_a_shipped_table_can_be_printed_and_read_again(tmp_path):
    command = [sys.executable, "-m", "property_neurons.corpus.phone_tables", "timit"]
    (tmp_path / "timit.tsv").write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    table = read_phone_table(tmp_path / "timit.tsv")
    assert {label: phone(table, label) for label in table.spelled} == {
        label: phone(SHIPPED["timit"], label) for label in SHIPPED["timit"].spelled
    }
