"""Draw README's picture of the method from results of the default configuration: python docs/figures/draw_method.py

Writes method-light.svg and method-dark.svg beside this file. Everything but the last panel is measured: 1.2 s of one
utterance, the neurons of layer 6 of melhubert-mini, and the patterns of layer 6 by gender.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.patches import Circle

from property_neurons.activations.extraction import frame_values
from property_neurons.corpus.audio import read_audio
from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.phones import LABELS
from property_neurons.counting.count_store import open_counts
from property_neurons.models.loading import load_encoder
from property_neurons.ranks.store import open_ranks
from property_neurons.stores.files import read_table

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "results"
LAYER, TAU = 6, 8
FIRST, LAST = 10, 70  # frames
WOMEN, MEN = "#d95f02", "#1b9e77"
THEMES = {
    "light": {"ink": "#24292f", "faint": "#8c959f", "marks": "Greys"},
    "dark": {"ink": "#e6edf3", "faint": "#7d8590", "marks": "bone"},
}


def measure():
    """What the panels show."""
    frames = open_frames(RESULTS / "corpora/demo/frames/demo-000.zarr")
    audio = pd.read_parquet(RESULTS / "corpora/demo/utterances.parquet").set_index("utterance")["audio"]
    wave = read_audio(RESULTS / "corpora/demo/source/LibriSpeech" / audio[frames.utterances[0]])
    ranks = open_ranks(RESULTS / "ranks/melhubert-mini/demo/demo-000.zarr")
    counts = open_counts(RESULTS / "counts/melhubert-mini/demo/gender.zarr")
    points = read_table(RESULTS / "embeddings/melhubert-mini/demo/gender.points.tsv")
    ids = ranks.ids(LAYER - 1, TAU)[ranks.offset[0] :][FIRST:LAST]
    # The neurons that are active most often in these frames come first.
    neurons = pd.Series(ids.ravel()).value_counts(sort=True).index[:40].to_numpy()
    encoder = load_encoder(RESULTS / "models/melhubert-mini")
    values = frame_values(encoder, len(wave), list(encoder.front_end.windows(wave)))[LAYER - 1]
    probability = counts.site_counts(LAYER - 1) / np.maximum(counts.n, 1)[:, None]
    women = [row for row, (group, label) in enumerate(counts.cells) if group == "F" and label not in ("SIL", "SPN")]
    return {
        "wave": wave[FIRST * 320 : LAST * 320],
        "phones": [LABELS[label] for label in frames.label[FIRST:LAST]],
        "activation": np.abs(values[FIRST:LAST][:, neurons].T.astype(float)),
        "active": np.array([[neuron in row for row in ids] for neuron in neurons]),
        "probability": probability[women][:, neurons].T,
        "points": points.query(f"layer == {LAYER} and seed == seed.min()"),
    }


def draw(measured, ink, faint, marks):
    """One row of panels, each with what it is above and how it comes about below."""
    figure = plt.figure(figsize=(9.2, 2.35))
    titles = ("speech", "activations", "most active 1 %", "probabilities", "patterns", "group neurons")
    notes = (
        "phones by\nforced alignment",
        "of the neurons of one\nfeed-forward layer",
        "in each frame\nof 20 ms",
        "of being active,\nphone by phone",
        "neurons above 1 %:\none point a phone",
        "in 80 % of one group's\npatterns, in no other's",
    )
    panels = [figure.add_axes((0.012 + 0.1675 * number, 0.3, 0.138, 0.56)) for number in range(6)]
    for number, (axes, title, note) in enumerate(zip(panels, titles, notes, strict=True)):
        axes.set_title(title, fontsize=11, color=ink, fontweight="bold")
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_color(faint)
        place = axes.get_position()
        figure.text(place.x0 + place.width / 2, 0.06, note, ha="center", fontsize=8.5, color=ink, linespacing=1.3)
        if number:
            figure.text(place.x0 - 0.015, 0.58, "→", ha="center", va="center", fontsize=15, color=ink)
    speech, heat, top, table, plane, sets = panels
    speech.plot(measured["wave"], color=ink, linewidth=0.4)
    speech.set_ylim(-1.0, 1.0)
    starts = [0, *(np.flatnonzero(np.array(measured["phones"][1:]) != np.array(measured["phones"][:-1])) + 1)]
    for start, end in zip(starts, [*starts[1:], LAST - FIRST], strict=True):
        speech.axvline(start * 320, ymax=0.16, color=faint, linewidth=0.6)
        if end - start > 3:
            middle = (start + end) * 160
            speech.text(middle, -0.88, measured["phones"][start], fontsize=6, color=ink, ha="center", va="center")
    heat.imshow(measured["activation"], aspect="auto", cmap=marks, vmax=np.percentile(measured["activation"], 99.5))
    top.imshow(measured["active"], aspect="auto", cmap=marks, interpolation="nearest")
    table.imshow(measured["probability"], aspect="auto", cmap=marks, vmax=0.5)
    for group, colour in (("F", WOMEN), ("M", MEN)):
        own = measured["points"].query(f"group == '{group}'")
        plane.scatter(own["x"], own["y"], s=9, color=colour)
    plane.margins(0.12)
    sets.set_xlim(-1.8, 1.8)
    sets.set_ylim(-1.8, 1.8)
    for x, colour, name in ((-0.6, WOMEN, "women"), (0.6, MEN, "men")):
        sets.add_patch(Circle((x, 0.12), 1.05, facecolor=colour, alpha=0.35, edgecolor=colour))
        sets.text(x * 1.75, 0.12, name, fontsize=8, color=ink, ha="center", va="center")
    sets.text(0, -1.25, "prune around · erase", fontsize=8, color=ink, ha="center", va="center")
    return figure


def main():
    """Both themes."""
    plt.rcParams["svg.hashsalt"] = "property-neurons"
    measured = measure()
    for theme, colours in THEMES.items():
        figure = draw(measured, **colours)
        figure.savefig(HERE / f"method-{theme}.svg", transparent=True, metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    main()
