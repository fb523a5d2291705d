"""What would be submitted: the table of property_neurons.jobs.requests."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from property_neurons.jobs.requests import _NOT_SUBMITTED, Submission, requests_table

SNAKEFILE = """
rule all:
    input: "sum"

rule rank_neurons:
    output: "ranks{shard}"
    group: "ranks"
    threads: 2
    resources: gpu=1, mem_mb=3000, runtime=90, slurm_partition="a100"
    message: "ranking"
    shell: "touch {output}"

rule draw_sum:
    input: expand("ranks{shard}", shard=range(3))
    output: "sum"
    resources: mem_mb=500, runtime=20
    message: "drawing"
    shell: "touch {output}"
"""


def submission(*members, **resources):
    one = Submission()
    for rule in members:
        one.add(rule, 1, {"mem_mb": 1000, "runtime": 30, **resources})
    return one


def test_members_of_a_group_run_one_after_the_other():
    one = submission("rank_neurons", "rank_neurons", gpu=1, cpus_per_task=8, slurm_partition="gpu")
    one.add("rank_neurons", 2, {"mem_mb": 4000, "runtime": 60, "slurm_partition": "gpu"})
    assert (one.gpus, one.cores, one.mem_mb, one.minutes, one.partition) == (1, 8, 4000, 120, "gpu")


def test_what_shares_a_rule_is_one_row_and_the_last_row_is_of_all():
    table = requests_table(
        [
            submission("count", "find"),
            submission("find", "embed"),
            submission("pretrain", gres="gpu:a100:4", runtime=600),
            submission("count"),
        ]
    ).set_index("rules")
    assert list(table.index) == ["count, embed, find", "pretrain", "all"]
    assert table["submitted"].tolist() == [3, 1, 4]
    assert table["of the workflow"].tolist() == [5, 1, 6]
    assert table["minutes"].tolist() == [60, 600, 600]
    assert table["GPU hours"].tolist() == [0, 40, 40]


@pytest.mark.parametrize(
    ("resources", "gpus"),
    [
        ({"gres": "gpu"}, 1),
        ({"gres": "gpu:2"}, 2),
        ({"gres": "gpu:a100"}, 1),
        ({"gres": "gpu:2,nvme:100"}, 2),
        ({"gres": "shard:1,gpu:1"}, 1),
        ({"gpu": 3}, 3),
        ({"gpu": "<TBD>"}, 0),
    ],
)
def test_gpus_are_read_as_the_profile_asks_for_them(resources, gpus):
    assert submission("train_task", **resources).gpus == gpus


def test_rules_that_name_what_others_make_are_not_submitted():
    rules = {
        name: body
        for file in [Path("Snakefile"), *Path("rules").glob("*.smk")]
        for name, body in re.findall(r"^rule (\w+):\n((?:    .*\n|\n)+)", file.read_text(), re.MULTILINE)
    }
    assert len(rules) > 40
    nothing_to_do = {name for name, body in rules.items() if "    script:" not in body}
    assert nothing_to_do | {"doctor"} == set(_NOT_SUBMITTED)


@pytest.mark.slow
def test_the_table_is_that_of_a_dry_run_and_nothing_is_made(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "property_neurons.jobs.requests", "--cores", "2", "--group-components", "ranks=3"]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, check=True, timeout=100)
    rows = [line.split() for line in done.stdout.splitlines() if line.endswith(("rank_neurons", "draw        "))]
    assert [row[:2] + row[-2:] for row in rows] == [["1", "3", "4.5", "rank_neurons"], ["1", "1", "0.0", "draw"]]
    assert not (tmp_path / "sum").exists()
    done = subprocess.run(
        [*command, "--", "nothing"], cwd=tmp_path, text=True, capture_output=True, check=False, timeout=100
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 1
    assert "No rule to produce nothing" in printed
    assert "GPU hours" not in printed
