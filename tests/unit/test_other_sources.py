"""What was made from another source than the configuration names is not taken for what it names."""

import json

import pytest

from property_neurons import plan
from property_neurons.config.load import load_config
from property_neurons.doctor.sources import other_sources

CORPUS = {
    "kind": "librispeech",
    "root": "Libri",
    "subsets": ["a"],
    "alignments": {"kind": "textgrid", "path": "alignments/{subset}"},
}
FOLDER = {"kind": "folder", "path": "hubert-mine"}


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A function: a configuration whose model and corpus come from there."""
    monkeypatch.chdir(tmp_path)

    def load(model, **corpus):
        return load_config(
            {
                "corpora": {"speech": CORPUS | corpus},
                "models": {"mine": model},
                "figures": {"corpus": "speech", "model": "mine"},
            }
        )

    return load


def made(path, source):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"files": {}, "source": source}))


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"kind": "folder", "path": "hubert-mien"}, "path hubert-mien"),
        ({"kind": "melhubert_release", "checkpoint": "a.ckpt", "statistics": "s"}, "checkpoint a.ckpt"),
    ],
)
def test_a_model_made_from_another_source_is_refused_while_the_named_one_is_absent(config, tmp_path, named, said):
    made(tmp_path / "results/models/mine.manifest.json", FOLDER | {"normalise": None})
    (other,) = plan.other_sources.made_from_others(config(named))
    assert other.key == "models.mine"
    assert "results/models/mine, made from" in other.found
    assert "path hubert-mine" in other.found
    assert said in other.expected
    (finding,) = other_sources(config(named))
    assert finding.fatal
    assert "hubert-mine" in finding.found


def test_a_model_whose_source_was_put_away_since_goes_on(config, tmp_path):
    made(tmp_path / "results/models/mine.manifest.json", FOLDER | {"normalise": None})
    assert not plan.other_sources.made_from_others(config(FOLDER))


def test_a_model_whose_new_source_is_there_is_made_anew_and_not_refused(config, tmp_path):
    made(tmp_path / "results/models/mine.manifest.json", FOLDER)
    (tmp_path / "another").mkdir()
    assert not plan.other_sources.made_from_others(config({"kind": "folder", "path": "another"}))


def test_a_model_that_was_never_made_is_not_refused(config):
    assert not plan.other_sources.made_from_others(config(FOLDER))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"root": "Elsewhere"}, "root"),
        ({"alignments": {"kind": "textgrid", "path": "other/{subset}"}}, "alignments"),
        ({"genders": "genders.json"}, "genders"),
    ],
)
def test_a_subset_scanned_from_elsewhere_is_refused(config, tmp_path, change, said):
    before = config(FOLDER)
    scanned = tmp_path / "results/corpora/speech/subsets/a/tables.manifest.json"
    made(scanned, plan.corpora.scan_source(before, "speech", "a"))
    assert not plan.other_sources.made_from_others(before)
    (other,) = plan.other_sources.made_from_others(config(FOLDER, **change))
    assert other.key == "corpora.speech"
    assert said in other.expected
