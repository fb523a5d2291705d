"""Look at the group neurons of a table, export them, write an edited model, or score a fine-tuned one when edited.

python -m property_neurons.editing groups results/neurons/MODEL/CORPUS/gender.parquet
python -m property_neurons.editing export results/models/MODEL.manifest.json TABLE --groups F --to female.json
python -m property_neurons.editing write results/models/MODEL.manifest.json TABLE --groups F --to female-erased
python -m property_neurons.editing score TRAINING.manifest.json MODEL.manifest.json TABLE --groups F
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from property_neurons.corpus.audio import AUDIO_SUFFIXES, find_audio, read_audio
from property_neurons.editing.exported import exported_set
from property_neurons.editing.interventions import edited, intervention_of
from property_neurons.editing.parts import error_table, own_errors
from property_neurons.editing.saved import Edit, edited_set, save_edited
from property_neurons.editing.statistics import Statistics, activation_statistics
from property_neurons.editing.vocabulary import ALL
from property_neurons.errors import StoreError, message_alone, printable, printable_lines
from property_neurons.models.backend import quiet_transformers
from property_neurons.models.loading import SpeechEncoder, load_encoder
from property_neurons.models.prepared import check_unused
from property_neurons.stores.files import read_table, write_json
from property_neurons.stores.manifests import check_digest, described_folder, read_manifest
from property_neurons.tasks.fine_tuned import load_fine_tuned
from property_neurons.tasks.intervals import paired_difference
from property_neurons.tasks.scores import rate


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one of the commands; an error ends it with its message alone."""
    chosen = _parser().parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    with message_alone(), quiet_transformers():
        chosen.command(chosen)


def _groups(chosen: argparse.Namespace) -> None:
    table = _neurons(chosen.table)
    # Groups all of whose neurons other groups have too are there with none.
    sizes = table.pivot_table(index="group", columns="layer", values="exclusive", aggfunc="sum", fill_value=0)
    print("Group neurons by layer:")
    print(printable_lines(sizes.assign(all=sizes.sum(axis=1)).to_string()))


def _export(chosen: argparse.Namespace) -> None:
    if chosen.to.exists():
        raise StoreError(f"{chosen.to}: expected no file of that name, found one; move it, or name another")
    encoder = load_encoder(described_folder(chosen.model), manifest=chosen.model)
    table = _neurons_found(chosen.table)
    masks = _masks(chosen, _edit(chosen), table, encoder)
    origin = {"model": str(chosen.model), "model_digest": table.attrs["model_digest"], "table": str(chosen.table)}
    write_json(chosen.to, exported_set(masks, encoder.sites, origin | {"groups": list(chosen.groups)}))
    print(printable(f"{chosen.to}: {sum(int(mask.sum()) for mask in masks)} neurons written"))


def _write(chosen: argparse.Namespace) -> None:
    manifest = Path(f"{chosen.to}.manifest.json")
    check_unused(chosen.to, manifest)
    edit, table, statistics = _edit(chosen), _neurons_found(chosen.table), None
    if edit.action == "mean":
        encoder = load_encoder(described_folder(chosen.model), manifest=chosen.model)
        # Refused before speech is read.
        _masks(chosen, edit, table, encoder)
        statistics = _statistics(chosen, encoder)
    save_edited(chosen.to, manifest, chosen.model, edit, table, statistics=statistics, name=_name(chosen))
    print(printable(f"{chosen.to}: written; what was done is in {chosen.to / 'editing.json'}"))


def _score(chosen: argparse.Namespace) -> None:
    edit, table = _edit(chosen), _neurons_found(chosen.table)
    trained = load_fine_tuned(chosen.training, model=chosen.model)
    masks = _masks(chosen, edit, table, trained.encoder)
    statistics = _statistics(chosen, trained.encoder)
    how = intervention_of(edit.action, factor=edit.factor, percentile=edit.percentile, statistics=statistics)
    examples, divide = trained.examples(chosen.part), own_errors(trained.data, "gender")
    before = error_table(trained, examples, divide)
    with edited(trained.encoder.model, masks, how):
        after = error_table(trained, examples, divide)
    f0 = trained.data.kind == "f0_reconstruction"
    print(f"{sum(int(mask.sum()) for mask in masks)} neurons edited; {trained.data.kind}, {'MSE' if f0 else '%'}")
    for part in [ALL, *sorted(set(before["part"]) - {ALL})]:
        sides = [one[one["part"] == part] for one in (after, before)]
        found = paired_difference({0: sides[0]}, {0: sides[1]})
        values = [rate(sides[1]), rate(sides[0]), found.mean, found.low, found.high]
        first, second, change, low, high = (f"{value:.4f}" if f0 else f"{100 * value:.1f}" for value in values)
        print(f"  {printable(part)}: {first} -> {second}; change {change}, 95 % interval {low} to {high}")


def _edit(chosen: argparse.Namespace) -> Edit:
    return Edit(tuple(chosen.groups), chosen.action, chosen.factor, chosen.percentile, chosen.random)


def _neurons(path: Path) -> pd.DataFrame:
    check_digest(path)
    table = read_table(path)
    if not {"layer", "group", "neuron", "exclusive", "width"} <= set(table.columns):
        raise StoreError(f"{path}: expected a table of neurons, found {list(table.columns)}; give results/neurons/...")
    return table


def _neurons_found(path: Path) -> pd.DataFrame:
    table = _neurons(path)
    if table.attrs.get("model_digest") is None:
        raise StoreError(
            f"{path}: expected a table that says on which model it was found, found none; find the neurons by the "
            "workflow (from Python such a table can be used, held against the model's widths alone)"
        )
    return table


def _name(chosen: argparse.Namespace) -> str:
    return f"{chosen.table}, for {chosen.model}"


def _masks(chosen: argparse.Namespace, edit: Edit, table: pd.DataFrame, encoder: SpeechEncoder) -> list[np.ndarray]:
    widths, digest = [site.width for site in encoder.sites], read_manifest(chosen.model)["digest"]
    return edited_set(table, edit, widths, digest=digest, name=_name(chosen))


def _statistics(chosen: argparse.Namespace, encoder: SpeechEncoder) -> Statistics | None:
    return activation_statistics(encoder, _speech(chosen.speech)) if chosen.action in ("mean", "clamp") else None


def _speech(folder: Path | None) -> Iterator[np.ndarray]:
    if folder is None:
        raise StoreError("mean and clamp: expected speech to read the neurons on, found none; give --speech FOLDER")
    files = find_audio(folder)
    if not files:
        suffixes = ", ".join(sorted(AUDIO_SUFFIXES))
        raise StoreError(f"{folder}: expected audio ({suffixes}), found none; give a folder that holds some")
    return (read_audio(file) for file in files)


def _number(least: float = -math.inf, most: float = math.inf) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = float(text)
        if not (math.isfinite(value) and least <= value <= most):
            bounds = f"from {least:g} to {most:g}" if math.isfinite(least) else "that is finite"
            raise argparse.ArgumentTypeError(f"expected a number {bounds}, found {text}; correct it")
        return value

    read.__name__ = "number"
    return read


def _whole(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if (value := int(text)) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least}, found {text}; correct it")
        return value

    read.__name__ = "whole number"
    return read


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m property_neurons.editing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--threads", type=_whole(1), default=1, help="threads of a model's passes (1)")
    commands = parser.add_subparsers(required=True)
    groups = commands.add_parser("groups", help="how many group neurons there are, by layer")
    groups.set_defaults(command=_groups)
    export = commands.add_parser("export", help="write the group neurons as JSON, for other programs")
    export.set_defaults(command=_export, action="zero", factor=0.5, percentile=50.0)
    export.add_argument("model", type=Path, help="manifest of the model: results/models/NAME.manifest.json")
    write = commands.add_parser("write", help="write an edited model")
    write.set_defaults(command=_write)
    write.add_argument("model", type=Path, help="manifest of the model: results/models/NAME.manifest.json")
    score = commands.add_parser("score", help="error of a fine-tuned model before and after an edit, by gender")
    score.set_defaults(command=_score)
    score.add_argument("training", type=Path, help="results/tasks/TASK/MODEL/seed0.manifest.json")
    score.add_argument("model", type=Path, help="manifest of the tuned model that the neurons were found on")
    score.add_argument("--part", choices=["train", "dev", "test"], default="test", help="whom to score (test)")
    for command in (groups, export, write, score):
        command.add_argument("table", type=Path, help="results/neurons/MODEL/CORPUS/PROPERTY.parquet")
    for command in (export, write, score):
        command.add_argument("--groups", nargs="+", required=True, help="whose group neurons, taken together")
        command.add_argument("--random", type=_whole(0), help="seed of random neurons, as many in each layer, instead")
    for command in (write, score):
        actions = ["zero", "mean", "scale"] + (["clamp"] if command is score else [])
        command.add_argument("--action", choices=actions, default="zero", help="what is done to them (zero)")
        command.add_argument("--factor", type=_number(), default=0.5, help="of scale (0.5)")
        command.add_argument("--percentile", type=_number(0, 100), default=50.0, help="of clamp (50)")
        command.add_argument("--speech", type=Path, help="folder of 16 kHz audio, for mean and clamp")
    export.add_argument("--to", type=Path, required=True, help="JSON file to write")
    write.add_argument("--to", type=Path, required=True, help="folder to write, and its manifest beside it")
    return parser


if __name__ == "__main__":
    main()
