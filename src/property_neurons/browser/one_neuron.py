"""One neuron as data frames, from the stores that the workflow has made."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from property_neurons.activations.store import open_activations
from property_neurons.browser.examples import choose_examples, enough_frames, most_probable, reacted_to
from property_neurons.browser.f0 import has_f0
from property_neurons.browser.speech import Shard, read_speech
from property_neurons.corpus.audio import SAMPLE_RATE, read_audio
from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.phones import NEVER_IN_A_SET, PAPER_PHONES
from property_neurons.corpus.recordings import naming
from property_neurons.counting.count_store import Counts, open_counts
from property_neurons.errors import StoreError, printable
from property_neurons.ranks.store import open_ranks
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import read_manifest, store_path

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Neuron:
    """One neuron of a model on a corpus.

    lambda_: share of neurons that count as active.
    sets: the sets that it is in: property, group, exclusive, and the statistics of the tables of neurons.
    phones: phone, phone_class ("" for none), n (counted frames), p (share of frames in which the neuron is active).
    groups: property, group, n, p.
    by_phone: property, group, phone, n, p; of properties whose groups are crossed with phones.
    examples: kind (`strongest` first; see `examples.KINDS`), utterance, speaker, gender, phone, time (s), f0 (Hz, NaN
        unvoiced), value, audio (file); those of the neuron's page, where it has one. Empty where no activation values
        are kept.
    has_f0: whether F0 of the corpus is known; all `f0` are NaN where it is not.
    """

    model: str
    corpus: str
    layer: int
    neuron: int
    width: int
    lambda_: float
    sets: pd.DataFrame
    phones: pd.DataFrame
    groups: pd.DataFrame
    by_phone: pd.DataFrame
    examples: pd.DataFrame
    has_f0: bool

    def snippet(self, example: int, before: float = 0.2, after: float = 0.2) -> np.ndarray:
        """The sound around an example, a row of `examples`: float32 [samples], 16 kHz.

        Args:
            before, after: seconds around the middle of its frame.

        Raises:
            AudioError: the utterance cannot be read; the message names it.
        """
        row = self.examples.iloc[example]
        with naming(row["utterance"]):
            waveform = read_audio(Path(row["audio"]))
        start = max(0, round((row["time"] - before) * SAMPLE_RATE))
        return waveform[start : round((row["time"] + after) * SAMPLE_RATE)]


def open_neuron(
    results: str | Path, model: str, corpus: str, layer: int, neuron: int, *, root: str | Path | None = None
) -> Neuron:
    """Read what is known of one neuron.

    Args:
        results: the folder that the workflow makes everything in.
        layer: number of the feed-forward network in the model's order, from 1.
        neuron: from 0.
        root: the folder that the corpus's audio lies below; by default the one that the workflow knew.

    Raises:
        StoreError: nothing is counted of this model on this corpus, there is no such neuron, or a store is damaged.
    """
    results = Path(results)
    folder = results / "counts" / model / corpus
    stores = {path.name.removesuffix(".manifest.json"): open_counts(store_path(path)) for path in _manifests(folder)}
    if not stores:
        raise StoreError(
            f"{printable(folder)}: expected counts of properties, found none; give the results folder and MODEL/CORPUS "
            "as they stand below results/counts, or run the workflow"
        )
    first = next(iter(stores.values()))
    if not 1 <= layer <= len(first.sites):
        raise StoreError(f"{model}: expected a layer from 1 to {len(first.sites)}, found {layer}; give one of these")
    width = first.sites[layer - 1].width
    if not 0 <= neuron < width:
        raise StoreError(
            f"{model}, layer {layer}: expected a neuron from 0 to {width - 1}, found {neuron}; give one of these"
        )
    cells = pd.concat([_cells(name, counts, layer - 1, neuron) for name, counts in stores.items()], ignore_index=True)
    frames = _manifests(results / "corpora" / corpus / "frames")
    shard = open_frames(store_path(frames[0])) if frames else None
    inventory = shard.inventory if shard else PAPER_PHONES
    names = list(inventory.phones)
    phones = (
        _plainest(cells[cells["phone"].isin(names)])
        .groupby("phone")[["n", "active"]]
        .sum()
        .reindex(names)
        .fillna(0)
        .reset_index()
    )
    phones.insert(1, "phone_class", [inventory.class_of(phone) for phone in names])
    phones = _with_p(phones)
    in_groups = cells[(cells["group"] != "") & ~cells["phone"].isin(NEVER_IN_A_SET)]
    groups = in_groups.groupby(["property", "group"], sort=False)[["n", "active"]].sum().reset_index()
    crossed = in_groups.groupby("property").filter(lambda own: own["phone"].duplicated().any())
    enough = enough_frames(phones["n"].to_numpy(), first.lambda_)
    phone = int(most_probable(phones["p"].to_numpy(), enough)[0])
    return Neuron(
        model=model,
        corpus=corpus,
        layer=layer,
        neuron=neuron,
        width=width,
        lambda_=first.lambda_,
        sets=_sets(results / "neurons" / model / corpus, layer, neuron),
        phones=phones,
        groups=_with_p(groups),
        by_phone=_with_p(crossed.reset_index(drop=True)),
        examples=_examples(results, model, corpus, layer - 1, neuron, first, phone, root),
        has_f0=shard is not None and has_f0(shard),
    )


def _manifests(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.manifest.json"))


def _cells(name: str, counts: Counts, site: int, neuron: int) -> pd.DataFrame:
    group, phone = zip(*counts.cells, strict=True)
    active = counts.site_counts(site)[:, neuron]
    return pd.DataFrame({"property": name, "group": group, "phone": phone, "n": counts.n, "active": active})


def _plainest(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells of the property with the most counted frames; None where no property counts every frame."""
    frames = cells.groupby("property")["n"].sum()
    return cells if frames.empty else cells[cells["property"] == frames.idxmax()]


def _with_p(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(p=table["active"] / table["n"].where(table["n"] > 0)).drop(columns="active")


def _sets(folder: Path, layer: int, neuron: int) -> pd.DataFrame:
    found = []
    for path in sorted(folder.glob("*.parquet")):
        # Beside the sets of a property lie what selectors choose; no name of a property has a dot.
        if "." in path.stem:
            continue
        table = read_table(path)
        own = table[(table["layer"] == layer) & (table["neuron"] == neuron)]
        if len(own):
            own = own.drop(columns=["layer", "site", "neuron", "width"])
            own.insert(0, "property", path.stem)
            found.append(own)
    columns = ["property", "group", "share", "exclusive"]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)


_EXAMPLES = ["kind", "utterance", "speaker", "gender", "phone", "time", "f0", "value"]


def _examples(
    results: Path,
    model: str,
    corpus: str,
    site: int,
    neuron: int,
    counts: Counts,
    phone: int,
    root: str | Path | None,
) -> pd.DataFrame:
    shards, audio = [], {}
    digest = _digest_of(results / "models" / f"{model}.manifest.json")
    for manifest in _manifests(results / "activations" / model / corpus):
        values = open_activations(store_path(manifest))
        if not values.utterances:
            continue
        if _of_another(values.model_digest, digest):
            log.warning(
                "%s: of another version of %s, so that no examples are shown; make its browser again",
                printable(values.name),
                model,
            )
            shards = []
            break
        ranks = open_ranks(results / "ranks" / model / corpus / store_path(manifest).name)
        frames = open_frames(results / "corpora" / corpus / "frames" / store_path(manifest).name)
        shards.append(Shard(frames, ranks, values))
        files = [str(Path(root or values.root) / file) for file in values.audio]
        audio |= dict(zip(values.utterances, files, strict=True))
    if not shards:
        return pd.DataFrame(columns=[*_EXAMPLES, "audio"])
    table = _of_page(results / "browser" / model / corpus / "examples.parquet", site + 1, neuron, digest)
    # A page may be older than the values that are kept now.
    if table.empty or not set(table["utterance"]) <= set(audio):
        table = _chosen(shards, site, neuron, counts.tau[site], phone)
    return table.assign(audio=table["utterance"].map(audio))


def _digest_of(manifest: Path) -> str:
    """Of the model as it is now; "" where its manifest is not among the results."""
    return read_manifest(manifest)["digest"] if manifest.is_file() else ""


def _of_another(one: str, other: str) -> bool:
    return bool(one and other) and one != other


def _of_page(path: Path, layer: int, neuron: int, digest: str) -> pd.DataFrame:
    """The examples of a neuron's page, which its groups and a seed of the config decided; none without a page."""
    if not path.exists():
        return pd.DataFrame(columns=_EXAMPLES)
    table = read_table(path, ["layer", "neuron", *_EXAMPLES])
    if _of_another(table.attrs.get("model_digest", ""), digest):
        return pd.DataFrame(columns=_EXAMPLES)
    return table.loc[(table["layer"] == layer) & (table["neuron"] == neuron), _EXAMPLES].reset_index(drop=True)


def _chosen(shards: list[Shard], site: int, neuron: int, tau: int, phone: int) -> pd.DataFrame:
    """Examples as a page with the default seed has them, of a neuron of no group."""
    speech = read_speech(shards, {})
    column = speech.values(shards, site)[:, neuron].astype(np.float32)
    active = np.flatnonzero((speech.active(shards, site, tau) == neuron).any(axis=1))
    right, rng = reacted_to(speech.label, phone), np.random.default_rng([0, site, neuron])
    rows = [
        {"kind": kind, **speech.moment(frame), "value": float(column[frame])}
        for kind, frame in choose_examples(column, active, right, speech.utterance, speech.speaker, rng)
    ]
    return pd.DataFrame(rows, columns=_EXAMPLES)
