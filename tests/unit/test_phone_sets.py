"""The table of articulatory features, against panphon 0.22.2, and the properties that are made of it."""

import itertools
from pathlib import Path

import pandas as pd
import pytest

from property_neurons.corpus.phone_sets import PHONE_SETS, phone_groups
from property_neurons.corpus.phones import PHONES, UNVOICED_CONSONANTS, VOWELS, group_problems
from property_neurons.counting.properties import PhoneProperty

# Rows of panphon's ipa_all.csv (MIT, D. Mortensen and others) for the first segment of each phone.
PANPHON = pd.read_csv(Path(__file__).with_name("panphon_0.22.2.tsv"), sep="\t").set_index("phone")


def phones_with(name, *values):
    return {phone for value in values for phone in phone_groups(name)[value]}


def panphon(feature, sign="+", among=PHONES):
    return {phone for phone in PANPHON.index if PANPHON.loc[phone, feature] == sign and phone in among}


CONSONANTS = set(PHONES) - set(VOWELS)
# What panphon says of each feature, and the phones on which this table says something else.
SAME = [
    (phones_with("syllabic", "syllabic"), panphon("syl"), set()),
    (phones_with("voicing", "voiced"), panphon("voi"), set()),
    (phones_with("nasal", "nasal"), panphon("nas"), set()),
    (phones_with("lateral", "lateral"), panphon("lat"), set()),
    (phones_with("continuant", "continuant"), panphon("cont"), set()),
    # [h] is a sonorant there, and an obstruent where fricatives are.
    (phones_with("sonorant", "sonorant"), panphon("son"), {"HH"}),
    # Strident there are labiodentals too, which do not hiss.
    (phones_with("sibilant", "sibilant"), panphon("strid"), {"F", "V"}),
    (phones_with("height", "high"), panphon("hi", among=VOWELS), set()),
    (phones_with("height", "low"), panphon("lo", among=VOWELS), set()),
    # Two values there, so central vowels are back.
    (phones_with("backness", "central", "back"), panphon("back", among=VOWELS), set()),
    (phones_with("rounding", "rounded"), panphon("round", among=VOWELS), set()),
    # Of vowels as they sound there; English has AE and AH in closed syllables alone, and AO in open ones.
    (phones_with("tenseness", "tense"), panphon("tense", among=VOWELS), {"AE", "AH", "AO", "OY"}),
    (phones_with("place", "labial"), panphon("lab", among=CONSONANTS), set()),
    (phones_with("place", "dental", "alveolar", "postalveolar"), panphon("cor", among=CONSONANTS), set()),
    (phones_with("place", "postalveolar"), panphon("ant", "-", panphon("cor", among=CONSONANTS)), set()),
    # W is of two places, Y palatal, and R bunched.
    (phones_with("place", "velar"), panphon("hi", among=CONSONANTS), {"W", "Y", "R"}),
]


@pytest.mark.parametrize(("ours", "theirs", "differences"), SAME)
def test_the_table_agrees_with_panphon_but_for_differences_that_are_named(ours, theirs, differences):
    # panphon has no segment for ER.
    assert (ours - {"ER"}) ^ theirs == differences


def test_what_panphon_cannot_say():
    assert "ER" not in PANPHON.index
    first = PANPHON.drop(columns="ipa")
    assert first.loc["AO"].equals(first.loc["OY"])
    assert first.loc["AY"].equals(first.loc["AW"])
    assert phones_with("diphthong", "diphthong") == {"AY", "AW", "OY", "EY", "OW"}


def test_manner_and_class_hold_every_phone_once():
    assert sorted(itertools.chain(*phone_groups("manner").values())) == sorted(PHONES)
    assert phones_with("manner", "vowel") == set(VOWELS)
    assert phones_with("voicing", "voiceless") == set(UNVOICED_CONSONANTS)
    assert phones_with("rhotic", "rhotic") == {"R", "ER"}


@pytest.mark.parametrize("name", PHONE_SETS)
def test_each_set_is_a_property(name):
    assert not group_problems(phone_groups(name))
    assert len(PhoneProperty(name, phone_groups(name)).lay_out([]).groups) >= 2
