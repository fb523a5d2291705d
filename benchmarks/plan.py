"""Planning config/paper.yaml at full scale, and what would run and be written: the numbers of docs/scale.md.

    python benchmarks/plan.py --data /path/to/data --out plan.json

Plans every figure, with the analysis on dev-clean, on train-clean-100 and on all 960 hours, of six models: those of
config/paper.yaml and one of them fine-tuned. No audio is there: LibriSpeech is a stub of the real subsets and speakers,
because planning looks at no utterance (tests/integration/test_scale.py).

Bytes are the doctor's estimates. Speed is measured on one thread of this machine; GPU hours are arithmetic: counted
operations over the peak of a card times a share of it that is assumed.
"""

import argparse
import re
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from property_neurons.config.load import load_config
from property_neurons.config.models import PretrainedModel
from property_neurons.config.root import Config
from property_neurons.doctor.disk import disk_uses
from property_neurons.doctor.needs import all_needs
from property_neurons.doctor.speech import LIBRISPEECH, speech_of
from property_neurons.stores.files import write_json
from workflow import ROOT, Run, run_snakemake

# The paper's models: its own, the control, three others, and its own fine-tuned on speakers.
TUNED = {"melhubert-sid": {"kind": "tuned", "of": "melhubert", "task": "sid-tuned"}}
CORPORA = {"dev-clean": "dev-clean", "train-clean-100": "train-clean-100", "960 h": "train-960"}
FIGURES = ("fig6", "fig9", "table1")
# Forward and backward pass, in forward passes.
TRAINING_PASSES = 3
MEAN_SECONDS = 12.3  # an utterance of the training subsets; crops are no longer


def main() -> None:
    options = _options()
    result: dict[str, Any] = {"plans": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stub_librispeech(folder / "data")
        for label in options.corpora:
            result["plans"][label] = measure(folder, CORPORA[label], options.repeats)
            print(f"{label}: {_line(result['plans'][label])}", flush=True)
    if options.utterances:
        result["work"] = work(options)
        print("\n".join(f"{key}: {value}" for key, value in result["work"].items()))
    if options.out:
        write_json(options.out, result)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--corpora", nargs="*", choices=CORPORA, default=list(CORPORA), metavar="CORPUS")
    parser.add_argument("--repeats", type=int, default=3, help="dry runs of each (default %(default)s)")
    parser.add_argument("--data", type=Path, help="folder with LibriSpeech/dev-clean; noise is ranked without it")
    parser.add_argument("--utterances", type=int, default=24, help="to measure the speed on; 0 leaves it out")
    parser.add_argument("--card", default="A100", help="name of the card that GPU hours are stated for")
    parser.add_argument("--fp32", type=float, default=19.5, help="its peak, fp32, in TFLOP/s (ranks)")
    parser.add_argument("--bf16", type=float, default=312.0, help="its peak, bf16, in TFLOP/s (pre-training)")
    parser.add_argument("--utilisation", type=float, default=0.35, help="share of the peak that is assumed")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    return parser.parse_args()


def paper_config(data: Path, corpus: str) -> dict[str, Any]:
    """config/paper.yaml with the analysis on `corpus` and the fine-tuned model among those compared."""
    content = yaml.safe_load((ROOT / "config/paper.yaml").read_text(encoding="utf-8"))
    content["data_root"] = str(data)
    content["models"] |= TUNED
    content["figures"]["corpus"] = corpus
    return content


def stub_librispeech(data: Path) -> None:
    """What planning asks for: SPEAKERS.TXT, a folder for each speaker, and VoxCeleb1's lists. No audio."""
    speakers = []
    for subset, (_, _, n_speakers) in LIBRISPEECH.items():
        for index in range(n_speakers):
            (data / "LibriSpeech" / subset / f"{subset}{index}").mkdir(parents=True)
            speakers.append(f"{subset}{index} | {'FM'[index % 2]} | {subset} | 25.0 | stub")
    (data / "LibriSpeech/SPEAKERS.TXT").write_text("\n".join(speakers) + "\n", encoding="utf-8")
    (data / "VoxCeleb1/wav").mkdir(parents=True)
    for name in ("iden_split.txt", "vox1_meta.csv"):
        (data / "VoxCeleb1" / name).touch()


def measure(folder: Path, corpus: str, repeats: int) -> dict[str, Any]:
    """Plans of every figure with the analysis on one corpus: what they cost, and what they say."""
    content = paper_config(folder / "data", corpus)
    config = load_config(content)
    project, arguments = _project(folder, corpus, content)
    snakemake = partial(run_snakemake, project)
    targets = ["--", "all", *every_figure(config)]
    snakemake([*arguments, "--list-rules"])  # compiles what is not yet
    reading = snakemake([*arguments, "--list-rules"])
    plans = [snakemake([*arguments, "-n", *targets]) for _ in range(repeats)]
    slurm = snakemake([*arguments, "-n", "--profile", str(ROOT / "profiles/slurm"), *targets])
    summary = snakemake([*arguments, "--summary", *targets])
    return {
        "reading the rules": _cost([reading]),
        "dry run": _cost(plans),
        "dry run, Slurm": _cost([slurm]),
        "jobs by rule": jobs_by_rule(plans[0].output),
        "slurm jobs": submitted_jobs(slurm.output),
        "declared outputs": len(re.findall(r"\tupdate pending$", summary.output, re.MULTILINE)),
        "room": room(config),
    }


def _project(folder: Path, name: str, content: dict[str, Any]) -> tuple[Path, list[str]]:
    project = folder / "projects" / name
    project.mkdir(parents=True)
    (project / "config.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return project, ["--configfile", str(project / "config.yaml"), "--cores", "1"]


def every_figure(config: Config) -> list[str]:
    """The targets beside the default one."""
    figures = [f"{config.results}/figures/{name}.pdf" for name in FIGURES]
    return [*figures, f"{config.results}/tables/pruning.tsv"]


def jobs_by_rule(output: str) -> dict[str, int]:
    """The table of jobs that a dry run prints; scans of all subsets in one line, without the target rule `all`."""
    table = output.partition("Job stats:")[2].partition("\ntotal ")[0]
    jobs: dict[str, int] = {}
    for rule, count in re.findall(r"^(\S+) +(\d+)$", table, re.MULTILINE):
        rule = "scan" if rule.startswith("scan_") else rule
        jobs[rule] = jobs.get(rule, 0) + int(count)
    jobs.pop("all", None)
    return jobs


def submitted_jobs(output: str) -> dict[str, int]:
    """How many jobs a dry run with the Slurm profile would submit: groups, jobs in them, and jobs by themselves."""
    return {
        "groups": len(re.findall(r"^\[[^]]+\] Group job ", output, re.MULTILINE)),
        "in groups": len(re.findall(r"^    Job \d+:", output, re.MULTILINE)),
        "alone": len(re.findall(r"^Job \d+:", output, re.MULTILINE)),
    }


def _cost(runs: list[Run]) -> dict[str, Any]:
    return {
        "wall": sorted(run.wall for run in runs),
        "cpu": sorted(run.cpu for run in runs),
        "peak MB": max(run.peak for run in runs),
    }


def room(config: Config) -> dict[str, float]:
    """Bytes by kind, for everything the configuration defines, as the doctor estimates them."""
    found: dict[str, float] = {}
    for part in disk_uses(config, all_needs(config)):
        kind = re.sub(r"^\d+ ", "", part.what.partition(" of ")[0])
        found[kind] = found.get(kind, 0) + part.n_bytes
        if part.what.endswith(f" on {config.figures.corpus}"):
            found["ranks of the analysis"] = found.get("ranks of the analysis", 0) + part.n_bytes
    return found


def work(options: argparse.Namespace) -> dict[str, Any]:
    """Measured hours of speech per core hour, counted operations, and the GPU hours that would follow."""
    speed, operations, settings = _throughput(options)
    fp32, bf16 = (options.utilisation * 1e12 * peak for peak in (options.fp32, options.bf16))
    found: dict[str, Any] = {
        "settings": settings,
        "card": f"{options.card}, {options.fp32:g} (fp32) and {options.bf16:g} (bf16) TFLOP/s at peak",
        "utilisation assumed": options.utilisation,
        "hours of speech per core hour": speed,
        "GFLOP per second of speech": {name: flops / 1e9 for name, flops in operations.items()},
        "core hours, ranks": {},
        "GPU hours, ranks (extrapolated)": {},
    }
    for label, corpus in CORPORA.items():
        config = load_config(paper_config(Path("data"), corpus))
        hours = speech_of(config, corpus).seconds / 3600 * len(config.figures.compare)
        found["core hours, ranks"][label] = hours / speed["median"]
        found["GPU hours, ranks (extrapolated)"][label] = hours * 3600 * operations["HuBERT base"] / fp32 / 3600
    found["GPU hours, pre-training (extrapolated)"] = {
        run: TRAINING_PASSES * speech * operations["MelHuBERT"] / bf16 / 3600
        for run, speech in _trained_seconds(config)
    }
    return found


def _trained_seconds(config: Config) -> Iterator[tuple[str, float]]:
    """Seconds of speech that each training passes over, its stages together."""
    trained = dict.fromkeys(model.run for model in config.models.values() if isinstance(model, PretrainedModel))
    for run in trained:
        stages = config.pretraining[run].stages
        yield run, sum(stage.steps * stage.batch_size * min(stage.crop_seconds, MEAN_SECONDS) for stage in stages)


def _throughput(options: argparse.Namespace) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
    # Imported here, so that planning is measured from a small process.
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from workload import hubert_base, seconds, settings, speech, spread, timed

    from property_neurons.corpus.recordings import Recording
    from property_neurons.models.melhubert import MelHubertConfig, MelHubertModel
    from property_neurons.ranks.extraction import extract_ranks

    torch.set_num_threads(1)
    encoder, melhubert = hubert_base(), MelHubertModel(MelHubertConfig()).eval()
    operations = {}
    for label, model, values in (
        ("HuBERT base", encoder.model, torch.zeros(1, 12 * 16_000)),
        ("MelHuBERT", melhubert, torch.zeros(1, 12 * 50, melhubert.config.input_size)),
    ):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(values)
        operations[label] = counter.get_total_flops() / 12

    with tempfile.TemporaryDirectory() as name:
        utterances = speech(options.data, options.utterances, Path(name))
        shards = [utterances[start : start + 8] for start in range(0, len(utterances), 8)]

        def extract(index: int) -> None:
            recordings = [Recording(item.path.stem, item.path, len(item.waveform)) for item in shards[index]]
            store = Path(name) / f"{index}.zarr"
            extract_ranks(encoder, recordings, store, model="hubert-base-shape", lambda_max=0.02)

        with torch.inference_mode():
            encoder.model(torch.from_numpy(utterances[0].waveform)[None])
        # CPU time, because other work may run on the machine.
        speeds = [seconds(shard) / timed(partial(extract, index))[1] for index, shard in enumerate(shards)]
    return spread(speeds), operations, settings(utterances, options.data)


def _line(found: dict[str, Any]) -> str:
    jobs, slurm = sum(found["jobs by rule"].values()), found["slurm jobs"]
    cost = found["dry run"]
    return (
        f"{jobs} jobs, {slurm['groups'] + slurm['alone']} Slurm jobs, {found['declared outputs']} outputs; dry run "
        f"{cost['wall'][0]:.1f}-{cost['wall'][-1]:.1f} s ({cost['cpu'][0]:.1f} s of CPU), {cost['peak MB']:.0f} MB; "
        f"with Slurm {found['dry run, Slurm']['cpu'][0]:.1f} s of CPU"
    )


if __name__ == "__main__":
    main()
