"""What one cut does to a model's last hidden states, before any recovery and without a task, by criterion.

    snakemake -c2 --configfile config/sample.yaml --config data_root=/path/to/data
    python benchmarks/cut_states.py results/sample MODEL --corpus dev-clean --data /path/to/data --out cut.tsv

Sets and frequencies come from the corpus of the run, the other scores from some of its utterances; the states are those
of other speakers' utterances (test-clean). The error of a cut is the sum of |h' - h|² over that of |h|²: 1 is as much
as nothing at all in place of the states. Random sets are drawn `--draws` times. Intervals resample speakers.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from property_neurons.corpus.audio import read_audio
from property_neurons.counting.count_store import open_counts
from property_neurons.models.loading import load_encoder
from property_neurons.models.states import hidden_states
from property_neurons.progress import progress
from property_neurons.pruning.calibrate import calibrate_on_corpus
from property_neurons.pruning.masks import masked
from property_neurons.pruning.prune import Cut, neurons_that_stay
from property_neurons.stores.files import read_table, write_table
from property_neurons.tasks.intervals import mean_interval, paired_difference

SETS = {
    "phones": ("phone", "single_phone"),
    "all": ("phone", "single_phone", "gender", "pitch"),
}
PLAIN = ("norm", "l2", "frequency", "magnitude", "wanda", "fisher")
PROTECTED = ("protect", "protect_frequency", "protect_wanda")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("model")
    parser.add_argument("--corpus", default="dev-clean")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--calibration", type=int, default=64, help="utterances (default %(default)s)")
    parser.add_argument("--speakers", type=int, default=12, help="one utterance of each (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each utterance (default %(default)s)")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.5, 0.25, 0.125])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--sets", choices=list(SETS), default="all")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)

    folder = options.results / "models" / options.model
    manifest = Path(f"{folder}.manifest.json")
    tables = options.results / "neurons" / options.model / options.corpus
    neurons = {name: read_table(tables / f"{name}.parquet") for name in SETS[options.sets]}
    counts = open_counts(options.results / "counts" / options.model / options.corpus / "phone.zarr")
    calibration = calibrate_on_corpus(
        manifest,
        read_table(options.results / "corpora" / options.corpus / "utterances.parquet"),
        options.data / "LibriSpeech",
        name=options.corpus,
        utterances=options.calibration,
        seed=0,
        device="cpu",
    )
    encoder = load_encoder(folder, manifest=manifest)
    spoken = {path.parts[-3]: path for path in sorted((options.data / "LibriSpeech/test-clean").rglob("*.flac"))}
    samples = round(options.seconds * 16000)
    windows = {
        speaker: list(encoder.front_end.windows(read_audio(path)[:samples]))
        for speaker, path in sorted(spoken.items())[: options.speakers]
    }
    whole = {speaker: states(encoder.model, own) for speaker, own in windows.items()}

    scores: dict[tuple[float, str], list[pd.DataFrame]] = {}
    drawn = [("random", seed) for seed in range(options.draws)]
    drawn += [(f"random_{name}", seed) for name in PROTECTED for seed in range(options.draws)]
    conditions = [*((name, 0) for name in (*PLAIN, *PROTECTED)), *drawn]
    for share, (criterion, seed) in progress(
        list(itertools.product(options.shares, conditions)), what=options.model, unit="cut"
    ):
        cut = Cut(criterion, keep=share, seed=seed)
        kept = neurons_that_stay(encoder.model, cut, neurons, counts, calibration)
        masks = [torch.zeros(site.width) for site in encoder.sites]
        for mask, ids in zip(masks, kept, strict=True):
            mask[torch.from_numpy(ids)] = 1
        rows = []
        with masked(encoder.model, masks):
            for speaker, own in windows.items():
                change = states(encoder.model, own) - whole[speaker]
                rows.append((speaker, speaker, float(change.square().sum()), float(whole[speaker].square().sum())))
        columns = ["utterance", "speaker", "error", "weight"]
        scores.setdefault((share, criterion), []).append(pd.DataFrame(rows, columns=columns).assign(gender=""))
    write_table(options.out, summary(scores, options, [site.width for site in encoder.sites]))


@torch.inference_mode()
def states(model: torch.nn.Module, windows: list) -> torch.Tensor:
    """The last hidden states of an utterance, float64 [frames, hidden size]."""
    return hidden_states(model, [windows])[0][-1].double()


def summary(scores: dict, options: argparse.Namespace, widths: list[int]) -> pd.DataFrame:
    """A row for each share and criterion: its error, and that of what it is to be better than."""
    rows = []
    for (share, criterion), own in scores.items():
        rates = [one["error"].sum() / one["weight"].sum() for one in own]
        low, high = mean_interval(own)
        row = {"model": options.model, "neurons": round(share * widths[0]), "share": share, "criterion": criterion}
        row |= {"draws": len(own), "error": np.mean(rates), "low": low, "high": high}
        score = criterion.removeprefix("protect").removeprefix("_") or "norm"
        if criterion in PROTECTED:
            for name, other in (("score", score), ("random_sets", f"random_{criterion}")):
                found = paired_difference(own, scores[share, other])
                row |= {f"minus_{name}": found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
        rows.append(row)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
