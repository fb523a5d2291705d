"""How well clusters agree with the phones, speakers, genders and subsets of the same speech."""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from scipy.stats import entropy
from sklearn.metrics import mutual_info_score

from property_neurons.clustering.vocabulary import NONE, Of
from property_neurons.corpus.frame_store import FrameShard

_OF_UTTERANCES = ("speaker", "gender", "subset")


def contingency(shards: Iterable[FrameShard], of: Of) -> pd.DataFrame:
    """How often each cluster meets each label, over the kept utterances.

    Args:
        shards: with the values that `assign.write_clusters` wrote.

    Returns:
        against ("phone", where frames are clustered and the corpus has phones; "speaker"; "gender" and "subset", where
        there are two), label, cluster, n (frames, or utterances); pairs that do not occur are left out
    """
    parts = [pd.DataFrame({"against": [], "label": [], "cluster": [], "n": []})]
    parts += [part for shard in shards for part in _of_shard(shard, of)]
    table = pd.concat(parts, ignore_index=True).astype({"n": "int64"})
    table = table.groupby(["against", "label", "cluster"], as_index=False, sort=True)["n"].sum()
    several = table.groupby("against")["label"].transform("nunique") > 1
    order = {name: place for place, name in enumerate(("phone", *_OF_UTTERANCES))}
    table = table[several | table["against"].isin(("phone", "speaker"))]
    return table.sort_values("against", key=lambda column: column.map(order), kind="stable", ignore_index=True)


def _of_shard(shard: FrameShard, of: Of) -> Iterator[pd.DataFrame]:
    cluster, names = shard.values.name, np.array(shard.values.names)
    kept = np.flatnonzero(shard.kept & (np.diff(shard.offset) > 0))
    utterance = np.repeat(np.arange(len(shard.utterances)), np.diff(shard.offset))
    counted = (cluster != NONE) & np.isin(utterance, kept)
    if of != "frames":
        first = np.zeros(len(cluster), dtype=bool)
        first[shard.offset[kept]] = True
        counted &= first
    else:
        phones = np.array(shard.inventory.phones)
        spoken = counted & (shard.label < len(phones))
        yield _pairs("phone", phones[shard.label[spoken]], names[cluster[spoken]])
    for column in _OF_UTTERANCES:
        values = np.array([value or "" for value in shard.columns.get(column, [""] * len(shard.utterances))])
        known = counted & (values[utterance] != "")
        yield _pairs(column, values[utterance[known]], names[cluster[known]])


def _pairs(against: str, label: np.ndarray, cluster: np.ndarray) -> pd.DataFrame:
    counts = pd.Series(1, index=[label, cluster]).groupby(level=[0, 1]).sum()
    counts.index.names = ["label", "cluster"]
    return counts.reset_index(name="n").assign(against=against)[["against", "label", "cluster", "n"]]


def agreements(table: pd.DataFrame) -> pd.DataFrame:
    """How well clusters agree with each kind of label of `contingency`.

    Returns:
        against, n, labels, clusters (how many occur), commonest_label (its share, which is what `label_purity` would be
        with one cluster), label_purity (the share of frames or utterances with the commonest label of their cluster),
        cluster_purity (with the commonest cluster of their label), information (mutual information by the entropy of
        the labels), nmi (by the mean of both entropies); NaN where there is one label
    """
    # `probing.clusters.agreement` divides each count by the total before it sums: of most tables its purities differ in
    # their last bits, so these are two.
    rows = []
    for against, part in table.groupby("against", sort=False):
        joint = part.pivot_table("n", "label", "cluster", aggfunc="sum", fill_value=0).to_numpy()
        of_label, total = joint.sum(axis=1), joint.sum()
        information = mutual_info_score(None, None, contingency=joint)
        uncertain, of_cluster = float(entropy(of_label)), float(entropy(joint.sum(axis=0)))
        rows.append(
            {
                "against": against,
                "n": int(total),
                "labels": joint.shape[0],
                "clusters": joint.shape[1],
                "commonest_label": of_label.max() / total,
                "label_purity": joint.max(axis=0).sum() / total,
                "cluster_purity": joint.max(axis=1).sum() / total,
                "information": information / uncertain if uncertain else float("nan"),
                "nmi": 2 * information / (uncertain + of_cluster) if uncertain else float("nan"),
            }
        )
    return pd.DataFrame(rows, columns=AGREEMENT_COLUMNS)


AGREEMENT_COLUMNS = [
    *("against", "n", "labels", "clusters", "commonest_label"),
    *("label_purity", "cluster_purity", "information", "nmi"),
]
