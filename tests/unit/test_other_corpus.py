"""Sets of one corpus on another: selective there where the neurons are, at chance where they are not."""

import numpy as np
import pandas as pd
import pytest
from made_units import runs_of_phones, speakers_and_phones
from sklearn.metrics import average_precision_score, roc_auc_score

from property_neurons.errors import CountingError
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.groups import neuron_table
from property_neurons.neurons.statistics.other_corpus import by_layer, on_other_corpus

DEFINITION = SetDefinition(sigma=0.6)


def made(seed, planted):
    return speakers_and_phones(np.random.default_rng(seed), planted=planted, rate=0.03, raised=0.06, n=512)


@pytest.mark.parametrize("planted", [5, 0])
def test_planted_neurons_are_selective_on_other_speakers(planted):
    found = neuron_table(made(0, 5), DEFINITION)
    there = made(1, planted)
    members = on_other_corpus(found, there, DEFINITION)
    assert len(members) == len(found)
    own = members[(members["group"] == "g1") & (members["neuron"] < 5) & members["exclusive"]]
    assert len(own) == 5
    assert (own["auroc"] > 0.95).all() == (planted == 5)
    assert (own["exclusive_there"].mean() > 0.5) == (planted == 5)
    counts = there.site_counts(0).toarray() / there.n[:, np.newaxis]
    scores = pd.DataFrame(counts).groupby(there.speaker).mean().to_numpy()
    woman = np.arange(len(scores)) % 2
    for row in members.itertuples():
        is_own = woman == int(row.group[1])
        assert row.auroc == pytest.approx(roc_auc_score(is_own, scores[:, row.neuron]))
        assert row.average_precision == pytest.approx(average_precision_score(is_own, scores[:, row.neuron]))
        difference = scores[is_own, row.neuron].mean() - scores[~is_own, row.neuron].mean()
        assert row.effect == pytest.approx(difference)
    layers = by_layer(members).set_index(["layer", "group"])
    exclusive = members[members["exclusive"]]
    assert layers.loc[(0, ""), "neurons"] == len(exclusive)
    assert layers.loc[(1, "g1"), "auroc"] == exclusive[exclusive["group"] == "g1"]["auroc"].median()
    # A neuron that cannot be compared counts neither way.
    pair = members.iloc[:2].assign(exclusive=True, auroc=[0.4, np.nan], effect=[-0.1, np.nan])
    assert by_layer(pair)[["at_most_half", "against"]].to_numpy().tolist() == [[1, 1]] * 4


def test_other_groups_are_refused_and_empty_tables_stay_empty():
    found = neuron_table(made(0, 5), DEFINITION)
    with pytest.raises(CountingError, match=r"found none called (other, )?g1|found none called other"):
        on_other_corpus(found.assign(group="other"), made(1, 5), DEFINITION)
    with pytest.raises(CountingError, match="expected 3 layers, found 1"):
        on_other_corpus(found.assign(layer=3), made(1, 5), DEFINITION)
    members = on_other_corpus(found.iloc[:0], made(1, 5), DEFINITION)
    assert members.empty
    assert by_layer(members).empty


def test_runs_are_held_against_runs_of_the_same_phone():
    rng = np.random.default_rng(0)
    units = [runs_of_phones(rng, planted=5, raised=0.2) for _ in range(2)]
    found = neuron_table(units[0], DEFINITION)
    members = on_other_corpus(found, units[1], DEFINITION)
    own = members[(members["group"] == "g2") & (members["neuron"] < 5)]
    assert len(own) == 5
    assert (own["auroc"] > 0.6).all()
