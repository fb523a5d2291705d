"""The learning curves of pre-training."""

import pandas as pd
import pytest
from figure_inputs import drawn

from property_neurons.figures import pretraining


def stage(offset=0.0):
    steps = [100, 200, 300]
    curves = pd.DataFrame(
        {
            "step": steps * 2,
            "split": ["train"] * 3 + ["validation"] * 3,
            "loss": [4 - offset, 3.5, 3.2, 4.1, 3.6, 3.3],
            "masked_accuracy": [0.05, 0.1, 0.15, 0.04, 0.09, 0.13 + offset],
        }
    )
    return curves, {"chance": 1 / 128, "unigram_loss": 4.8, "unigram_accuracy": 0.02}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_table_holds_what_is_drawn(count):
    stages = [stage(number / 10) for number in range(count)]
    _, table = drawn(pretraining, stages, "mini", "speech")
    for number, (curves, metrics) in enumerate(stages, start=1):
        own = table[table["stage"] == number]
        for split, rows in curves.groupby("split"):
            for measure in ("loss", "masked_accuracy"):
                shown = own[(own["series"] == split) & (own["measure"] == measure)]
                assert shown["value"].tolist() == pytest.approx(rows[measure].tolist())
                assert shown["step"].tolist() == rows["step"].tolist()
        flat = own[own["series"].isin(["unigram", "chance"])]
        assert sorted(flat["value"]) == pytest.approx(
            sorted([metrics["unigram_loss"], metrics["unigram_accuracy"], metrics["chance"]])
        )
