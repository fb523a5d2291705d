"""Judging a corpus by all of its troubles at once."""

from collections import Counter

import pandas as pd
import pytest
import yaml

from property_neurons.corpus.assemble import assemble
from property_neurons.corpus.check import check_report, describe
from property_neurons.corpus.phone_tables import ARPABET
from property_neurons.corpus.report import REPORT_COLUMNS, Trouble, report_table
from property_neurons.errors import CorpusError


def trouble(code="stereo"):
    return Trouble(code, "expected this,\n\tfound that; do so")


def report(n_bad: int) -> pd.DataFrame:
    """`n_bad` utterances without alignment; the first is stereo as well."""
    rows = [(f"u{index}", trouble("missing_alignment")) for index in range(n_bad)]
    return report_table("c", "s", [*rows, *[("u0", trouble())] * bool(n_bad)])


def check(table, n_utterances=90, policy="skip", cap=0.1):
    return check_report(table, n_utterances, "c", policy=policy, max_skipped_share=cap, report_path="out/report.tsv")


def test_unknown_codes_are_refused():
    with pytest.raises(ValueError, match="no_such_code"):
        Trouble("no_such_code", "")


def test_rows():
    table = report_table("c", "s", [("u", trouble())])
    assert tuple(table.columns) == REPORT_COLUMNS
    assert table.iloc[0].tolist() == ["c", "s", "u", "stereo", "expected this, found that; do so", "skipped"]
    assert tuple(report_table("c", "s", []).columns) == REPORT_COLUMNS


def test_counts_are_of_utterances():
    summary = check(report(10))
    assert summary == {
        "corpus": "c",
        "utterances": 90,
        "skipped": 10,
        "skipped_share": 0.1,
        "codes": {"missing_alignment": 10, "stereo": 1},
    }
    assert describe(summary).splitlines()[1:] == [
        "  missing_alignment: 10 (there is audio but no alignment)",
        "  stereo: 1 (the audio has more than one channel)",
    ]


def test_a_clean_corpus_passes_either_way():
    for policy in ["fail", "skip"]:
        assert check(report(0), policy=policy, cap=0.0)["skipped"] == 0


def test_fail_names_everything():
    with pytest.raises(CorpusError) as caught:
        check(report(10), policy="fail")
    message = str(caught.value)
    for part in ["corpus c", "10 of 100", "missing_alignment: 10", "u0, u1, u2, ...", "stereo: 1", "out/report.tsv"]:
        assert part in message


def test_the_cap_is_inclusive():
    check(report(10), cap=0.1)
    with pytest.raises(CorpusError, match=r"at most 0\.1.*\n(.*\n)*.*raise the cap to at least 0\.109"):
        check(report(11), cap=0.1)


def test_nothing_left_is_an_error_whatever_the_cap():
    with pytest.raises(CorpusError, match="at least one usable"):
        check(report(3), n_utterances=0, cap=1.0)


def test_an_id_in_two_subsets_is_kept_once():
    first = pd.DataFrame({"utterance": ["a", "b"], "subset": "one"})
    second = pd.DataFrame({"utterance": ["b", "d"], "subset": "two"})
    clean, bad = report_table("c", "one", []), report_table("c", "two", [("e", trouble())])
    utterances, rows, left_out = assemble("c", [first, second], [clean, bad])
    assert list(zip(utterances["subset"], utterances["utterance"], strict=True)) == [
        ("one", "a"),
        ("one", "b"),
        ("two", "d"),
    ]
    assert rows[["corpus", "subset", "utterance", "code"]].values.tolist() == [
        ["c", "two", "e", "stereo"],
        ["c", "two", "b", "duplicate_utterance"],
    ]
    assert left_out.to_dict("records") == [{"subset": "two", "utterance": "b"}]
    assert check(rows, n_utterances=len(utterances), cap=0.5)["skipped"] == 2


def test_unknown_labels_are_summed_over_the_corpus_with_the_line_that_maps_them():
    labels = [Counter({"QX": 2, "it's": 1, 'a "b"': 7}), Counter({"QX": 3, "ʔ": 1, "\x1b(": 4})]
    rows = [(f"u{place}", Trouble("unknown_phone", ARPABET.unknown(found))) for place, found in enumerate(labels)]
    with pytest.raises(CorpusError) as caught:
        check(report_table("c", "s", rows), policy="fail")
    lines = str(caught.value).splitlines()
    assert lines[2].startswith(
        """  unknown labels: 'a "b"' (7 times), 'QX' (5 times), '\\x1b(' (4 times), "it's" (1 time), 'ʔ'"""
    )
    config = yaml.safe_load(lines[3])
    assert config == {"corpora": {"c": {"phones": {"map": dict.fromkeys(sum(labels, Counter()), "SPN")}}}}
