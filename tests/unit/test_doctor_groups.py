"""What the doctor says of properties before a scan: columns that are not there, groups of too few speakers."""

from itertools import permutations

import pandas as pd
import pytest
import soundfile
from small_models import waveform

from property_neurons.config.load import load_config
from property_neurons.doctor.groups import group_findings, least_p
from property_neurons.doctor.needs import default_needs
from property_neurons.doctor.speech_files import speech_file_findings
from property_neurons.progress import duration


def config_of(folder, properties, rows=8):
    """A table of utterances, one a speaker: half of them men; four accents; ages. Its recordings are not there."""
    table = pd.DataFrame({"audio": [f"u{row}.wav" for row in range(rows)]})
    table = table.assign(
        speaker=[f"s{row}" for row in range(rows)],
        gender=["M", "F"] * (rows // 2),
        accent=[f"a{row % 4}" for row in range(rows)],
        age=[20 + 3 * row for row in range(rows)],
    )
    table.to_csv(folder / "speech.csv", index=False)
    return load_config(
        {
            "data_root": str(folder),
            "results": str(folder / "results"),
            "corpora": {"own": {"kind": "table", "table": "speech.csv"}},
            "models": {"m": {"kind": "shipped", "name": "melhubert-mini"}},
            "properties": properties,
            "figures": {"model": "m", "corpus": "own", "properties": [*properties]},
        }
    )


def found(config):
    return [one for one in speech_file_findings(config, default_needs(config)) if one.about.startswith("properties.")]


@pytest.mark.parametrize(
    ("section", "expected", "said"),
    [
        ({"column": "acent"}, "a column of own: accent, age, gender, speaker, subset", "'acent'"),
        ({"column": "accent", "order": ["a0", "a1"]}, "accent to be one of a0, a1", "also a2, a3"),
        ({"column": "accent", "cuts": "tertiles"}, "a finite number in the column accent", "'a0' for u0"),
    ],
)
def test_a_property_that_does_not_fit_its_column(tmp_path, section, expected, said):
    (finding,) = found(config_of(tmp_path, {"own": section}))
    assert (finding.about.removesuffix(".column"), finding.fatal) == ("properties.own", True)
    assert finding.expected.startswith(expected)
    assert finding.found.startswith(said)


def test_columns_that_fit_are_no_finding(tmp_path):
    assert found(config_of(tmp_path, {"age": {"column": "age", "cuts": "tertiles"}})) == []


def test_groups_of_few_speakers_are_warned_of(tmp_path):
    warned = {
        finding.about: (finding.found, finding.fatal)
        for finding in found(config_of(tmp_path, {"age": {"column": "age", "cuts": "tertiles"}}, rows=6))
    }
    assert warned == {
        "properties.gender": ("M 3, F 3 (speakers), with which p is 0.1 or more", False),
        "properties.age": ("low 2, middle 2, high 2 (speakers), with which p is 0.067 or more", False),
    }


def test_little_speech_is_warned_of_before_a_scan(tmp_path):
    config = config_of(tmp_path, {"accent": {"column": "accent"}})

    def warned():
        return [
            one for one in speech_file_findings(config, default_needs(config)) if "of speech or more" in one.expected
        ]

    assert warned() == []
    for row in range(8):
        soundfile.write(tmp_path / f"u{row}.wav", waveform(16_000, row), 16_000)
    (finding,) = warned()
    # 39 phones x 4 accents x 100 frames of 20 ms.
    assert finding.expected.startswith(f"{duration(312)} of speech or more: 100 frames")
    assert (finding.about, finding.fatal) == ("corpora.own", False)
    (tmp_path / "results/corpora/own").mkdir(parents=True)
    (tmp_path / "results/corpora/own/utterances.parquet").touch()
    assert warned() == []


def test_other_corpora_than_the_figures_are_not_looked_at(tmp_path):
    config = config_of(tmp_path, {"own": {"column": "acent"}})
    assert list(group_findings(config, "other", pd.DataFrame({"utterance": ["u"]}), fatal=True)) == []


@pytest.mark.parametrize("sizes", [(1, 1), (1, 2), (2, 2), (2, 3), (1, 1, 2), (2, 2, 2)])
def test_the_smallest_p_is_the_share_of_labellings_that_divide_alike(sizes):
    labels = [group for group, size in enumerate(sizes) for _ in range(size)]
    labellings = set(permutations(labels))

    def division(one):
        return frozenset(frozenset(at for at, label in enumerate(one) if label == group) for group in set(one))

    alike = [one for one in labellings if division(one) == division(labels)]
    assert least_p(sizes) == pytest.approx(len(alike) / len(labellings))
