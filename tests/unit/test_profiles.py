"""The profiles name rules that are there, and send the GPU to every rule that asks for one."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from property_neurons.plan import models, profiles

ROOT = Path(__file__).resolve().parents[2]
# Rules of subsets are made in a loop and have no name in the text.
RULES = {
    name: body
    for path in (ROOT / "rules").glob("*.smk")
    for name, body in re.findall(r"^ *rule (\w+):\n(.*?)(?=^ *rule |\Z)", path.read_text(), re.DOTALL | re.MULTILINE)
}


def profile(name):
    return yaml.safe_load((ROOT / f"profiles/{name}/config.yaml").read_text())


def test_every_rule_says_what_it_needs():
    for name, body in RULES.items():
        for key in ("threads: ", "mem_mb=", "runtime=", "conda:", *(["benchmark:"] if name != "doctor" else [])):
            assert key in body, f"{name} has no {key}"


def test_no_output_of_a_rule_is_marked_ancient_for_all_that_read_it():
    """Snakemake marks the object itself: every rule that names it would take it for ancient."""
    assert not [name for name, body in RULES.items() if "ancient(rules." in body]


def test_slurm_gives_a_partition_to_exactly_the_rules_that_ask_for_gpus():
    asking = {name for name, body in RULES.items() if " gpu=" in body}
    resources = profile("slurm")["set-resources"]
    assert set(resources) == asking
    assert len(asking) == 14
    for name, own in resources.items():
        depends_on_a_model = "gpu=lambda wildcards: GPU if plan." in RULES[name]
        expected = "'gpu' if input.model else 'cpu'" if depends_on_a_model else "gpu"
        assert own["slurm_partition"] == expected


def test_a_misspelt_rule_in_a_profile_is_named():
    workflow = SimpleNamespace(
        rules=[SimpleNamespace(name="rank_neurons"), SimpleNamespace(name="scan_demo.demo")],
        resource_settings=SimpleNamespace(
            overwrite_resources={"rank_neuron": {"mem_mb": 1}, "rank_neurons": {}},
            overwrite_threads={"scan_demo.dem": 2},
        ),
        group_settings=SimpleNamespace(overwrite_groups={"scan_demo.demo": "scans"}),
    )
    assert profiles.unknown_rules(workflow) == ["rank_neuron", "scan_demo.dem"]


def test_the_documentation_names_every_rule():
    text = (ROOT / "docs/cluster.md").read_text()
    assert [name for name in RULES if f"`{name}`" not in text and not name.startswith("draw_")] == []


def test_groups_are_of_rules_that_have_their_wildcards():
    slurm = profile("slurm")
    assert set(slurm["groups"].values()) == set(slurm["group-components"])
    for name, group in slurm["groups"].items():
        for wildcard in re.findall(r"{(\w+)}", group):
            assert f"{{{{{wildcard}}}}}" in RULES[name]


def test_the_root_leads_to_the_slurm_profile():
    assert (ROOT / "slurm").resolve() == ROOT / "profiles/slurm"


def test_machines_without_a_scheduler_limit_gpus_and_memory():
    for name in ("gpus", "laptop"):
        assert set(profile(name)["resources"]) == {"gpu", "mem_mb"}


@pytest.mark.parametrize(
    ("device", "name", "driver", "expected"),
    [
        ("auto", "slurm", False, "models-cuda"),
        ("auto", "laptop", True, "models-cuda"),
        ("auto", "laptop", False, "models-cpu"),
        ("auto", "gpus", False, "models-cpu"),
        ("cuda", "laptop", False, "models-cuda"),
        ("cpu", "slurm", True, "models-cpu"),
    ],
)
def test_where_there_may_be_gpus_the_environment_is_built_for_cuda(
    device, name, driver, expected, monkeypatch, tmp_path
):
    monkeypatch.setattr(models, "_DRIVER", str(tmp_path if driver else tmp_path / "none"))
    resources = [profile(name).get("default-resources", {}), *profile(name).get("set-resources", {}).values()]
    found = models.environment(SimpleNamespace(device=device), [key for named in resources for key in named])
    assert found == expected
    assert (ROOT / f"envs/{found}.yaml").is_file()
