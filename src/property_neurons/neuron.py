"""What one neuron reacts to, in the terminal.

python -m property_neurons.neuron results melhubert-mini/dev-clean 3 124
python -m property_neurons.neuron results melhubert-mini/dev-clean 3 124 --wav snippets
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from property_neurons.browser.one_neuron import Neuron, open_neuron
from property_neurons.corpus.audio import SAMPLE_RATE
from property_neurons.errors import StoreError, message_alone, printable, printable_lines
from property_neurons.stores.files import check_free

_BAR = 40
_MOST_GROUPS = 6
_LONGEST_NAME = 50
"""Characters of an utterance in the name of a file, which may have 255 bytes."""
_STATISTICS = {"share": "share", "effect": "effect", "q": "q", "selection": "stability", "auroc": "held-out AUROC"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one neuron; an error ends it with its message alone."""
    parser = argparse.ArgumentParser(
        prog="python -m property_neurons.neuron",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("results", type=Path, help="the folder that the workflow makes everything in")
    parser.add_argument("of", metavar="MODEL/CORPUS", help="as below results/counts")
    parser.add_argument("layer", type=int, help="from 1")
    parser.add_argument("neuron", type=int, help="from 0")
    parser.add_argument("--wav", type=Path, metavar="FOLDER", help="write 0.4 s around each example, as WAV")
    parser.add_argument("--audio", type=Path, metavar="FOLDER", help="where the corpus's audio lies now, if elsewhere")
    chosen = parser.parse_args(arguments)
    model, slash, corpus = chosen.of.partition("/")
    if not (model and slash and corpus):
        parser.error(f"expected MODEL/CORPUS, found {printable(chosen.of)}")
    with message_alone():
        neuron = open_neuron(chosen.results, model, corpus, chosen.layer, chosen.neuron, root=chosen.audio)
        print(printable_lines("\n".join(described(neuron))))
        if chosen.wav:
            print(printable_lines("\n".join(write_snippets(neuron, chosen.wav))))


def described(neuron: Neuron) -> Iterator[str]:
    """The lines that say what is known of a neuron."""
    yield f"Layer {neuron.layer}, neuron {neuron.neuron} of {neuron.width}: {neuron.model} on {neuron.corpus}"
    own = neuron.sets[neuron.sets["exclusive"].astype(bool)]
    yield ""
    if own.empty:
        yield "In the set of no property."
    for row in own.to_dict("records"):
        stated = [f"{name} {row[key]:.3g}" for key, name in _STATISTICS.items() if not np.isnan(row.get(key, np.nan))]
        yield f"In the {row['property']} set of {row['group']}: {', '.join(stated)}"
    largest = max(neuron.lambda_, *neuron.phones["p"].dropna(), *neuron.groups["p"].dropna())
    yield ""
    yield f"Probability of being among the most active (a neuron picked blindly: {neuron.lambda_:g})"
    for name, phones in neuron.phones.groupby("phone_class", sort=False):
        yield f"  {name or 'no class'}"
        yield from (_bar(row.phone, row.p, largest) for row in phones.sort_values("p", ascending=False).itertuples())
    for name, groups in neuron.groups.groupby("property", sort=False):
        yield f"  {name}" + (f", the most of {len(groups)} groups" if len(groups) > _MOST_GROUPS else "")
        if len(groups) > _MOST_GROUPS:
            groups = groups.sort_values("p", ascending=False).head(_MOST_GROUPS)
        yield from (_bar(row.group, row.p, largest) for row in groups.itertuples())
    yield ""
    if neuron.examples.empty:
        yield (
            "No example: it is never active in the speech whose activation values are kept, or none are kept (the "
            "workflow keeps them for results/browser/MODEL/CORPUS/index.html)."
        )
        return
    yield "Where it is strongest (s)"
    for row in neuron.examples[neuron.examples["kind"] == "strongest"].itertuples():
        pitch = f"  {'unvoiced' if np.isnan(row.f0) else f'{row.f0:.0f} Hz':>8}" if neuron.has_f0 else ""
        speaker = f"speaker {row.speaker}" + (f" ({row.gender})" if row.gender else "")
        yield f"  {row.utterance:<24} {row.time:7.2f}  {row.phone:<3}  {row.value:8.3g}{pitch}  {speaker}"


def write_snippets(neuron: Neuron, folder: Path) -> Iterator[str]:
    """Write 0.4 s around each example, and say what was written.

    Raises:
        StoreError: something is in the folder, or it cannot be written to.
        AudioError: an utterance cannot be read.
    """
    check_free(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(neuron.examples.itertuples()):
        kind = row.kind.replace(" ", "-")
        # An id may be a path, and as long as one; the number keeps names apart.
        utterance = re.sub(r"[^\w.-]", "_", row.utterance)[:_LONGEST_NAME]
        path, sound = folder / f"{number:02d}-{kind}-{utterance}-{row.time:.2f}.wav", neuron.snippet(number)
        try:
            soundfile.write(path, sound, SAMPLE_RATE, subtype="PCM_16")
        except soundfile.SoundFileError as error:
            raise StoreError(f"{path}: expected to write a sound, found {error}; choose another folder") from None
    yield f"{len(neuron.examples)} snippets in {folder}"


def _bar(name: str, p: float, largest: float) -> str:
    label = f"    {name[:20]:<20}"
    return f"{label} -" if np.isnan(p) else f"{label} {p:6.3f} {'█' * round(_BAR * p / largest)}"


if __name__ == "__main__":
    main()
