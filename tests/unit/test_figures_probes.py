"""The figure of what each layer knows about phones: what its table says against what its inputs say."""

import numpy as np
import pandas as pd
import pytest
from figure_inputs import drawn, drawn_twice
from test_figures import rendered

from property_neurons.figures import probes


def table_of(n_layers: int, scale: float = 1.0, model: str = "tiny") -> pd.DataFrame:
    """Probes of a model that learned, or with a small `scale` of one that did not; log-Mel is always the same."""
    rise = np.concatenate([[0.3], 0.3 + 0.35 * scale * np.sin(np.linspace(0.5, 2.6, n_layers))])
    return pd.DataFrame(
        {
            "model": model,
            "layer": range(n_layers + 1),
            "representation": ["log-Mel"] + ["hidden"] * n_layers,
            "pnmi": rise,
            "probe_accuracy": rise + 0.1,
            "probe_low": rise + 0.08,
            "probe_high": rise + 0.12,
            "probe_converged": True,
            "majority_accuracy": 0.08,
            "silhouette": rise / 2 - 0.1,
        }
    )


@pytest.mark.parametrize("n_layers", [1, 2, 12, 24, 48])
def test_each_panel_draws_model_control_and_log_mel(n_layers):
    own, control = table_of(n_layers), table_of(n_layers, 0.1, "twin")
    _, table = drawn(probes, {"tiny": own, "twin": control}, "demo")
    assert table["measure"].unique().tolist() == ["pnmi", "probe_accuracy", "silhouette"]
    for measure, rows in table.groupby("measure"):
        by_role = {role: shown.set_index("layer") for role, shown in rows.groupby("role")}
        assert by_role.keys() == {"model", "control", "log-Mel"}
        for role, given in (("model", own), ("control", control), ("log-Mel", own)):
            wanted = given[given["layer"] == 0] if role == "log-Mel" else given[given["layer"] > 0]
            assert by_role[role].index.tolist() == wanted["layer"].tolist()
            np.testing.assert_allclose(by_role[role]["value"], wanted[measure])
            if measure == "probe_accuracy":
                np.testing.assert_allclose(by_role[role]["lowest"], wanted["probe_low"])
                np.testing.assert_allclose(by_role[role]["highest"], wanted["probe_high"])
            else:
                assert by_role[role][["lowest", "highest"]].isna().all(axis=None)


def test_a_model_without_control_interval_or_silhouette_is_drawn():
    own = table_of(4).assign(probe_low=np.nan, probe_high=np.nan, silhouette=np.nan)
    table = drawn_twice(probes, {"tiny": own}, "demo")
    assert set(table["role"]) == {"model", "log-Mel"}
    assert table["lowest"].isna().all()


def test_probes_that_did_not_converge_are_named():
    control = table_of(4, 0.1, "twin").assign(probe_converged=[True, False, False, True, True])
    for probed, said in (
        (table_of(4), ""),
        (control, "Linear probes stopped before they converged: tiny 0 of 5, twin"),
    ):
        figure, _ = probes.draw({"tiny": table_of(4), "twin": probed}, "demo")
        assert said in figure.get_suptitle().replace("\n", " ")
        assert bool(said) == ("converged" in figure.get_suptitle())


def test_models_of_different_depth_share_an_axis():
    assert drawn(probes, {"tiny": table_of(3), "twin": table_of(12)}, "demo")[1]["layer"].max() == 12


def test_long_names_stay_on_the_paper():
    model, control, corpus = (f"{name}-of-" + "many-words-" * 5 for name in ("a-model", "its-twin", "a-corpus"))
    drawn(probes, {model: table_of(4), control: table_of(4)}, corpus)


def test_the_caption_names_what_is_shown():
    alone, held = (
        rendered("probes", {}, models=models, corpus="demo", clusters=100) for models in (["tiny"], ["tiny", "twin"])
    )
    assert "control twin" in held
    assert "Grey" not in alone
    for text in (alone, held):
        assert "tiny on demo" in text
        assert " 100 k-means clusters" in text
        assert "{" not in text
