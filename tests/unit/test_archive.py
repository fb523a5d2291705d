"""What `property_neurons.plan.archive` refuses; tests/integration makes studies anew from archives."""

import re

import pytest
import yaml

from property_neurons.plan.archive import main


@pytest.fixture
def config(tmp_path):
    content = {
        "results": str(tmp_path / "results"),
        "corpora": {"demo": {"kind": "demo"}},
        "models": {"mini": {"kind": "shipped", "name": "melhubert-mini"}},
        "splits": {"seen": {"by": "utterance", "corpus": "demo"}},
        "tasks": {"sid": {"kind": "speaker_identification", "mode": "fine_tuned", "split": "seen", "steps": 1}},
        "erasure": {"table1": {"model": "mini", "task": "sid", "property": "gender", "seeds": [3]}},
        "figures": {"corpus": "demo", "model": "mini"},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(tmp_path / "config.yaml")


@pytest.mark.parametrize(
    ("study", "said"),
    [
        ("table1", r"table1: expected \d+ files of it, found 0; \S+gender.manifest.json is absent: run the study"),
        ("table2", "expected a study among table1, found 'table2'"),
    ],
)
def test_a_study_that_is_not_there_is_refused_and_nothing_is_written(study, said, config, tmp_path, capsys):
    assert main([study, str(tmp_path / "x.tar.xz"), "--configfile", config]) == 1
    assert re.search(said, capsys.readouterr().out)
    assert not (tmp_path / "x.tar.xz").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--configfile", "absent.yaml"], "absent.yaml"), (["--config", "no_such_key=1"], "no_such_key")],
)
def test_a_bad_configuration_is_refused(arguments, said, config, tmp_path, capsys):
    assert main(["table1", str(tmp_path / "x.tar.xz"), "--configfile", config, *arguments]) == 1
    assert said in capsys.readouterr().out
