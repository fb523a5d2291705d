"""The reduced default configuration to Figure 6 through `--profile slurm` and a real Slurm."""

import re
from collections import Counter

import pytest

from tests.slurm.conftest import TARGET

pytestmark = pytest.mark.slurm

ON_GPUS = {"sample_states", "pretrain", "store_states", "train_task"}
IN_GROUPS = {"frames_demo": 3, "log_mel_demo": 3, "ranks_melhubert-mini_demo": 3, "neurons_melhubert-mini_demo": 4}


def rule_of(comment):
    """rule_pretrain_wildcards_... of a job, rule_ranks_MODEL_CORPUS_rank_neurons of a group."""
    return comment.removeprefix("rule_").partition("_wildcards_")[0]


def test_the_figure_is_there_and_every_job_ended_well(undisturbed):
    assert (undisturbed.project.folder / TARGET).stat().st_size > 200
    assert {ending.state for ending in undisturbed.endings} == {"COMPLETED"}


def test_rules_that_run_models_ask_for_one_gpu_and_the_others_for_none(undisturbed):
    gpus = {True: Counter(), False: Counter()}
    for ending in undisturbed.endings:
        gpus[ending.gpus == 1][rule_of(ending.comment)] += 1
        assert ending.partition == ("gpu" if ending.gpus else "cpu")
    print(f"\n{sum(gpus[True].values())} jobs with a GPU: {dict(gpus[True])}")
    print(f"{sum(gpus[False].values())} without: {dict(gpus[False])}")
    print(f"{undisturbed.seconds:.0f} s")
    assert set(gpus[True]) & set(gpus[False]) == set()
    assert set(gpus[True]) >= ON_GPUS


def test_shards_share_jobs(undisturbed):
    submitted = len(undisturbed.endings)
    jobs = int(re.search(r"^total\s+(\d+)", undisturbed.printed, re.MULTILINE)[1])
    assert submitted < jobs
    for group in IN_GROUPS:
        assert len([ending for ending in undisturbed.endings if group in ending.comment]) == 1


def test_then_nothing_is_to_be_done_by_hand_either(undisturbed):
    assert "Nothing to be done" in undisturbed.project.snakemake("--dry-run", TARGET)
