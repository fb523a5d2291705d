"""Whether work grows in proportion to speech, and memory not at all: the second half of docs/scale.md.

    python benchmarks/growth.py --out growth.json

Runs the workflow, from synthesis to silhouettes, on demo corpora of 1, 2, 4 and 8 times some minutes, a shard for each
multiple, so that all shards are of one size. CPU seconds and largest memory are those of Snakemake's benchmark files.
Snakemake looks at a job every half second: of jobs that take no longer, both are lower bounds.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from property_neurons.stores.files import read_table, write_json
from workflow import run_snakemake

MULTIPLES = (1, 2, 4, 8)
MODEL = "melhubert-mini"
# Folders of results/benchmarks in the order data flows; the other jobs of the workflow draw what these have made.
STAGES = (
    "make_demo_corpus",
    "scan",
    "assemble_corpus",
    "check_corpus",
    "build_frames",
    "rank_neurons",
    "count_activations",
    "find_neurons",
    "embed_patterns",
)


@dataclass(frozen=True)
class Corpus:
    """A corpus and what each stage took on it: CPU seconds of all its jobs, and MB of the one that held most."""

    multiple: int
    minutes: float
    utterances: int
    jobs: dict[str, int]
    cpu: dict[str, float]
    peak: dict[str, float]


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as name:
        corpora = [run(Path(name), multiple, options) for multiple in options.multiples]
    fits = {stage: fit(corpora, stage) for stage in STAGES}
    print(table(corpora, fits))
    if options.out:
        write_json(options.out, {"corpora": [vars(corpus) for corpus in corpora], "fits": fits})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=16, help="of the smallest corpus (default %(default)s)")
    parser.add_argument("--multiples", type=int, nargs="+", default=MULTIPLES, metavar="N")
    parser.add_argument("--shards", type=int, default=4, help="of the smallest corpus (default %(default)s)")
    parser.add_argument("--voices", type=int, default=24, help="of each corpus (default %(default)s)")
    parser.add_argument("--properties", nargs="+", default=["phone", "gender", "pitch"], metavar="PROPERTY")
    parser.add_argument("--pitch", default="yaapt", help="method of the F0 (default %(default)s)")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    return parser.parse_args()


def growth_config(minutes: float, multiples: Sequence[int], shards: int, voices: int, pitch: str) -> dict[str, Any]:
    """A demo corpus for each multiple, and the shipped model."""
    corpora = {
        f"demo{multiple}": {
            "kind": "demo",
            "voices": voices,
            "minutes": minutes * multiple,
            "shards": shards * multiple,
            "pitch": {"method": pitch},
        }
        for multiple in multiples
    }
    figures = {"corpus": f"demo{multiples[0]}", "model": MODEL}
    return {"corpora": corpora, "models": {MODEL: {"kind": "shipped", "name": MODEL}}, "figures": figures}


def run(folder: Path, multiple: int, options: argparse.Namespace) -> Corpus:
    """Make one corpus and everything up to its patterns in the plane."""
    content = growth_config(options.minutes, options.multiples, options.shards, options.voices, options.pitch)
    (folder / "config.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    arguments = ["--configfile", str(folder / "config.yaml"), "--cores", "1"]
    corpus = f"demo{multiple}"
    targets = [
        f"results/{path}"
        for name in options.properties
        for path in (
            f"neurons/{MODEL}/{corpus}/{name}.summary.tsv",
            f"embeddings/{MODEL}/{corpus}/{name}.silhouettes.tsv",
        )
    ]
    run_snakemake(folder, [*arguments, "--", *targets])
    utterances = read_table(folder / f"results/corpora/{corpus}/utterances.parquet")
    by_stage = {stage: job_usage(folder / "results/benchmarks" / stage, corpus) for stage in STAGES}
    found = Corpus(
        multiple,
        utterances["n_samples"].sum() / 16_000 / 60,
        len(utterances),
        {stage: len(jobs) for stage, jobs in by_stage.items()},
        {stage: jobs["cpu_time"].sum() for stage, jobs in by_stage.items()},
        {stage: jobs["max_rss"].max() for stage, jobs in by_stage.items()},
    )
    print(f"{corpus}: {found.minutes:.1f} minutes, {found.utterances} utterances, {sum(found.jobs.values())} jobs")
    return found


def job_usage(folder: Path, corpus: str) -> pd.DataFrame:
    """What each job of a stage on one corpus took, as Snakemake notes it: s, max_rss (MB), cpu_time (s) and others."""
    files = [path for path in sorted(folder.rglob("*.tsv")) if corpus in (*path.parts, path.stem)]
    return pd.concat([pd.read_csv(path, sep="\t") for path in files], ignore_index=True)


def fit(corpora: Sequence[Corpus], stage: str) -> dict[str, float]:
    """A straight line through CPU seconds over minutes of speech, and the growth of the memory.

    fixed, per_minute: seconds; r2: share of the variance that the line explains; exponent: slope of log(CPU) over
    log(minutes), 1 where work is proportional and less where a fixed part counts; mb_per_1000: MB for each 1,000
    utterances more; the line goes through the largest memory of one job.
    """
    minutes, cpu = (np.array(values) for values in ([c.minutes for c in corpora], [c.cpu[stage] for c in corpora]))
    slope, fixed = np.polyfit(minutes, cpu, 1)
    rest = cpu - (fixed + slope * minutes)
    thousands = [corpus.utterances / 1000 for corpus in corpora]
    return {
        "fixed": float(fixed),
        "per_minute": float(slope),
        "r2": float(1 - (rest**2).sum() / ((cpu - cpu.mean()) ** 2).sum()),
        "exponent": float(np.polyfit(np.log(minutes), np.log(cpu), 1)[0]),
        "mb_per_1000": float(np.polyfit(thousands, [corpus.peak[stage] for corpus in corpora], 1)[0]),
    }


def table(corpora: Sequence[Corpus], fits: dict[str, dict[str, float]]) -> str:
    """Both as Markdown: CPU seconds and largest memory of each stage on each corpus."""
    sizes = " | ".join(f"{corpus.multiple}x" for corpus in corpora)
    lines = [f"| stage | {sizes} | s a minute | fixed s | R2 | exponent | {sizes}, MB | MB per 1,000 utt |"]
    lines.append("|---" * (2 * len(corpora) + 6) + "|")
    for stage, found in fits.items():
        cpu = " | ".join(f"{corpus.cpu[stage]:.1f}" for corpus in corpora)
        peak = " | ".join(f"{corpus.peak[stage]:.0f}" for corpus in corpora)
        lines.append(
            f"| `{stage}` | {cpu} | {found['per_minute']:.2f} | {found['fixed']:.1f} | {found['r2']:.3f} | "
            f"{found['exponent']:.2f} | {peak} | {found['mb_per_1000']:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
