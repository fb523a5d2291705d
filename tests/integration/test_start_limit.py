"""The limit of started jobs, which makes Snakemake's own process slow: lifted, unless a user sets one."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

RULES = Path(__file__).resolve().parents[2] / "rules/common.smk"
WORKFLOW = """
onsuccess:
    limit = workflow.scheduler.job_rate_limiter
    print("limit:", limit and f"{limit.max_jobs}/{limit.timespan:g}s")

rule all:
    output: "done"
    shell: "touch {output}"
"""


@pytest.mark.parametrize(("arguments", "expected"), [([], "None"), (["--max-jobs-per-timespan", "5/2s"], "5/2s")])
def test_the_default_limit_of_started_jobs_is_lifted(arguments, expected, tmp_path):
    text = RULES.read_text(encoding="utf-8")
    on_start = text[text.index("onstart:") : text.index("onerror:")]
    (tmp_path / "Snakefile").write_text(on_start + WORKFLOW, encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, check=False, timeout=120)
    assert f"limit: {expected}\n" in done.stdout, done.stderr
