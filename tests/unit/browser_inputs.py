"""Stores of a made-up model whose neurons are known by construction, and what the browser makes of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from property_neurons.activations.store import new_activations, open_activations, rounded
from property_neurons.browser.derived import Derived
from property_neurons.browser.pages import ERASURE_COLUMNS, PropertyView, Site, make_pages, with_clips, write_entry
from property_neurons.browser.speech import Shard
from property_neurons.browser.tables import Choice, PropertyTables, browser_tables
from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.phones import PAPER_PHONES, Inventory
from property_neurons.counting.count import count_activations
from property_neurons.counting.properties import CategoryProperty, PhoneProperty
from property_neurons.counting.sampling import Sampling
from property_neurons.neurons.cells import cell_table
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.groups import layer_summary, neuron_table
from property_neurons.ranks.sites import Site as RankedSite
from property_neurons.ranks.store import open_ranks
from property_neurons.stores.files import read_table, write_table
from tests.unit.synthetic_stores import SITE_NAMES, WIDTHS, Utterance, write_frames, write_ranks

S_NEURON, WOMEN_NEURON, SILENT_NEURON = 7, 11, 13
"""The first is active in S and nowhere else, the second in every phone of women, the third never."""
EVIL = "<script>document.title='broken'</script>"
"""A group by that name: what women are called here."""
LAMBDA = 0.04
CUT = {WOMEN_NEURON, 49}
"""Neurons, the last one of a layer among them, that a pruned model lacks."""
_PHONES = ("AH", "IY", "N", "D", "S", "T")
ERASED = ("gender", EVIL, "who", "sid", "speaker", "points", 0.8, 9, "own", 10.0, 14.0, 4.0, 1.0, 7.0, 0.5, True)
"""What it did to speakers' errors to erase the neurons of that group."""
STATISTICS = {"p": 0.001, "q": 0.01, "selection": 1.0, "auroc": 0.9, "effect": 0.5, "entropy": 0.0}


def known_corpus() -> list[Utterance]:
    """Eight utterances of four speakers, each phone twice for 80 ms; two neurons of the first layer mean something."""
    rng = np.random.default_rng(0)
    corpus = []
    for index in range(8):
        speaker, gender = f"s{index % 4}", "M" if index % 2 else EVIL
        names = (*_PHONES, *_PHONES[::-1])
        segments = tuple((80_000 * at, 80_000 * (at + 1), phone) for at, phone in enumerate(names))
        n_frames = 4 * len(names)
        activations = [rng.uniform(0.1, 1, (n_frames, width)).astype(np.float32) for width in WIDTHS]
        first = activations[0]
        for frame in range(n_frames):
            phone = names[frame // 4]
            first[frame, S_NEURON] = 5 + index if phone == "S" else 0.01
            first[frame, WOMEN_NEURON] = 3 + frame / 100 if gender == EVIL else 0.01
            first[frame, SILENT_NEURON] = 0.001
        corpus.append(
            Utterance(
                name=f"{speaker}-{index}",
                subset="all",
                speaker=speaker,
                gender=gender,
                segments=segments,
                end_us=80_000 * len(names),
                f0=tuple(120.0 for _ in range(n_frames)),
                activations=tuple(activations),
            )
        )
    return corpus


def write_activations(path: Path, corpus: list[Utterance], root: str) -> Path:
    """The activation store of one shard."""
    sites = [RankedSite(at + 1, name, width) for at, (name, width) in enumerate(zip(SITE_NAMES, WIDTHS, strict=True))]
    with new_activations(
        path,
        model="made-up",
        sites=sites,
        utterances=[utterance.name for utterance in corpus],
        root=root,
        audio=[f"{utterance.name}.wav" for utterance in corpus],
        offset=np.cumsum([0, *(len(utterance.activations[0]) for utterance in corpus)]),
    ) as writer:
        for utterance in corpus:
            writer.append([rounded(values) for values in utterance.activations])
    return path


class Made:
    """Everything below `folder` as the workflow lays it out, for one model and corpus."""

    def __init__(self, folder: Path, inventory: Inventory = PAPER_PHONES):
        """`inventory` calls the 39 phones otherwise."""
        self.inventory = inventory
        attributes = {"labels": inventory.labels, "classes": inventory.classes}
        self.results, self.root = folder / "results", folder / "speech"
        self.corpus = known_corpus()
        self.root.mkdir(parents=True)
        for number, utterance in enumerate(self.corpus):
            times = np.arange(int(utterance.end_us * 0.016)) / 16_000
            tone = 0.3 * np.sin(2 * np.pi * (300 + 50 * number) * times)
            soundfile.write(self.root / f"{utterance.name}.wav", tone.astype(np.float32), 16_000)
        of = {kind: self.results / kind / "made-up/all" for kind in ("ranks", "activations", "counts", "neurons")}
        frames = self.results / "corpora/all/frames"
        self.shards, pairs = [], []
        for index in range(2):
            own = sorted(self.corpus[index::2], key=lambda utterance: utterance.name)
            name = f"all-{index:03d}.zarr"
            ranks = write_ranks(of["ranks"] / name, own)
            stored = write_frames(frames / name, own, attributes=attributes if inventory != PAPER_PHONES else None)
            values = write_activations(of["activations"] / name, own, str(self.root))
            pairs.append((ranks, stored))
            self.shards.append(Shard(open_frames(stored), open_ranks(ranks), open_activations(values)))
        self.tables, self.views = {}, {}
        for definition in (PhoneProperty("phone", groups="classes"), CategoryProperty("gender", "gender")):
            self._add(definition, pairs, of)

    def _add(self, property_, pairs, of) -> None:
        counts = count_activations(
            pairs,
            property_,
            Sampling(),
            lambda_=LAMBDA,
            corpus="all",
            output=of["counts"] / f"{property_.name}.zarr",
        )
        # Few of a group's phones are spoken here.
        sets = neuron_table(counts, SetDefinition(sigma=0.1)).assign(**STATISTICS)
        write_table(of["neurons"] / f"{property_.name}.parquet", sets)
        self.tables[property_.name] = PropertyTables(property_, counts, sets)
        summary = layer_summary(sets, counts)
        null = summary.assign(observed=1, null_mean=0.5, null_low=0.0, null_high=1.0, p=0.01)
        total = null.drop_duplicates("layer").assign(group="")
        stability = summary.assign(jaccard=0.5, nogueira=0.5, auroc=0.9)
        self.views[property_.name] = PropertyView(
            groups=counts.groups,
            null=pd.concat([null, total]),
            stability=stability,
            summary=summary,
            cells=cell_table(counts),
        )

    def browse(self, choice: Choice | None = None, *, derived: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The two tables."""
        rng = np.random.default_rng(1)
        weights = [(rng.normal(size=(width, 4)), rng.normal(size=(width, 4))) for width in WIDTHS]
        number = tuple(np.where(np.isin(np.arange(width), list(CUT)), -1, np.arange(width)) for width in WIDTHS)
        done = tuple(np.where(one < 0, "removed", "kept") for one in number)
        made = [Derived("cut", done, number)]
        return browser_tables(
            self.shards, self.tables, weights, Sampling(), choice or Choice(random=3), made * derived
        )[:2]

    def site(self, **changed) -> Site:
        """What the pages show besides."""
        utterances = pd.DataFrame(
            {
                "utterance": [utterance.name for utterance in self.corpus],
                "speaker": [utterance.speaker for utterance in self.corpus],
                "gender": [utterance.gender for utterance in self.corpus],
                "transcript": "SOME <B>WORDS</B>",
                "audio": [f"{utterance.name}.wav" for utterance in self.corpus],
                "seconds": [utterance.end_us / 1e6 for utterance in self.corpus],
                "phones": [
                    [[label, 4 * at] for at, (_, _, label) in enumerate(utterance.segments)]
                    for utterance in self.corpus
                ],
            }
        )
        given = {
            "model": "made-up",
            "corpus": "all",
            "settings": {"sigma": "0.1"},
            "properties": self.views,
            "utterances": utterances,
            "licence": "Tones, free to use.",
            "lambda_": LAMBDA,
            "inventory": self.inventory,
            "erasures": pd.DataFrame([ERASED], columns=list(ERASURE_COLUMNS)),
        }
        return Site(**(given | changed))

    def write_pages(self, folder: Path, *, derived: bool = True, **changed) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Pages and tables in a folder, as the workflow makes them."""
        paths = {name: folder / f"{name}.parquet" for name in ("neurons", "examples")}
        for path, table in zip(paths.values(), self.browse(derived=derived), strict=True):
            write_table(path, table)
        # As the rule reads them, which gives arrays in place of lists.
        neurons, examples = (read_table(path) for path in paths.values())
        make_pages(folder / "pages", neurons, with_clips(examples), self.site(**changed), self.root)
        write_entry(folder / "index.html")
        return neurons, examples
