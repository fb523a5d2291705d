"""The figure of confounds: what its table says against what its inputs say."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from figure_inputs import drawn, sites

from property_neurons.figures import confounds
from property_neurons.stores.files import write_table

CONFOUNDS = {"gender": "f0", "pitch": "speaker", "phone": "duration"}


def layers(found, share, names):
    """A table of `neurons.statistics.confounds`, of all groups and of one."""
    found = np.asarray(found)
    stay = np.round(found * share).astype(int)
    rows = [
        (layer, site, group, n, s, s / n if n else np.nan, 0.9, 0.8, 0.97, 0.01, 0.9 * n)
        for layer, site, n, s in [
            *zip(range(1, len(found) + 1), names, found, stay, strict=True),
            (0, "", found.sum(), stay.sum()),
        ]
        for group in ("one", "")
    ]
    columns = ["layer", "site", "group", "found", "stay", "share", "dealt_share", "dealt_low", "dealt_high", "p"]
    return pd.DataFrame(rows, columns=[*columns, "dealt_stay"])


def cells(rare):
    return pd.DataFrame({"group": "one", "rare": [True] * rare + [False] * (6 - rare)})


@pytest.mark.parametrize(("count", "names"), [(12, list(CONFOUNDS)), (24, ["gender"])])
def test_the_share_that_stays_is_drawn(count, names):
    rng = np.random.default_rng(0)
    chosen = {name: CONFOUNDS[name] for name in names}
    tables = {
        model: {name: layers(rng.integers(0, 60, count), share, sites(count)) for name in names}
        for model, share in (("own", 0.6), ("own-random", 0.9))
    }
    _, table = drawn(confounds, tables, chosen, "demo", {name: cells(2) for name in names})
    assert list(table["property"].unique()) == names
    for (name, model), rows in table.groupby(["property", "model"]):
        whole = tables[model][name]
        expected = whole[(whole["group"] == "") & (whole["layer"] > 0)]
        assert rows["share"].tolist() == pytest.approx(expected["share"].tolist(), nan_ok=True)
        assert rows["confound"].unique().tolist() == [CONFOUNDS[name]]


def test_files_are_read_as_they_are_named(tmp_path):
    tables, of_cells = tmp_path / "g.tsv", tmp_path / "c.tsv"
    write_table(tables, layers([10, 20], 0.5, sites(2)))
    write_table(of_cells, cells(0))
    inputs = SimpleNamespace(tables=[tables], cells=[of_cells])
    params = SimpleNamespace(confounds={"gender": "f0"}, models=["own"], corpus="demo")
    taken = confounds.read(inputs, params)
    assert taken["confounds"] == {"gender": "f0"}
    assert taken["cells"]["gender"].equals(cells(0))
    assert drawn(confounds, **taken)[1]["stay"].tolist() == [5, 10]
