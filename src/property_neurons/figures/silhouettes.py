"""Silhouettes of several MDS seeds, brought together per layer."""

import pandas as pd


def by_layer(silhouettes: pd.DataFrame) -> pd.DataFrame:
    """Mean and range over seeds, one row per layer in order.

    Args:
        silhouettes: layer, site, seed, silhouette, silhouette_full (NaN where undefined).

    Returns:
        layer, site, silhouette (mean over seeds), lowest, highest, silhouette_full.
    """
    return (
        silhouettes.groupby("layer", as_index=False, sort=True)
        .agg(
            site=("site", "first"),
            silhouette=("silhouette", "mean"),
            lowest=("silhouette", "min"),
            highest=("silhouette", "max"),
            silhouette_full=("silhouette_full", "first"),
        )
        .astype({"site": str})
    )


def best_layer(silhouettes: pd.DataFrame) -> pd.Series:
    """The row of `by_layer` with the highest mean silhouette; the lowest such layer on a tie.

    Where no layer has a defined silhouette the first layer is returned, its silhouette NaN.
    """
    layers = by_layer(silhouettes)
    # idxmax refuses a column that is NaN throughout.
    return layers.loc[layers["silhouette"].fillna(-2.0).idxmax()]
