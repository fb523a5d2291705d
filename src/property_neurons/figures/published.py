"""The paper's published values (resources/published.json), drawn as a quiet reference beside one's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from property_neurons.errors import ConfigError
from property_neurons.stores.files import read_json

_NAMES = MappingProxyType(
    {
        "hubert_base": "HuBERT",
        "wav2vec2_base": "wav2vec 2.0",
        "wavlm_base": "WavLM",
        "melhubert": "MelHuBERT",
        "melhubert_pr": "MelHuBERT fine-tuned on PR",
        "melhubert_sid": "MelHuBERT fine-tuned on SID",
    }
)
# Figures 4, 6, 7, 8 and 9 of the paper show this model only.
_LAYERWISE = "melhubert"
# What the file calls the genders of the table, and what corpora do.
_GENDERS = MappingProxyType({"male": "M", "female": "F"})

Bars = Mapping[str, float]
"""The bars of one metric in Figure 6 or 9: {arm: value}, as drawn."""


@dataclass(frozen=True)
class Published:
    """What the paper's figures show for one model; empty where a figure does not show it.

    Attributes:
        name: the model's name in the paper.
        silhouettes: Figure 4, by property: one silhouette per layer.
        best_silhouettes: Figure 5, by property: the best layer's silhouette.
        property_neurons: Figure 7, by property: |P| per layer.
        overlaps: Figure 8, layer 1: whole sizes of the sets and of their intersections ("phone&gender").
    """

    name: str
    silhouettes: Mapping[str, list[float]]
    best_silhouettes: Mapping[str, float]
    property_neurons: Mapping[str, list[int]]
    overlaps: Mapping[str, int]


def read_published(path: str | Path, model: str) -> Published:
    """Read the published values of `model`, named as in Figure 5 of resources/published.json.

    Raises:
        ConfigError: the paper has no such model.
        StoreError: the file is absent or not JSON.
    """
    content = read_json(path)
    best = content["fig5_best_silhouette"]
    if model not in best:
        raise ConfigError(
            f"published_as: expected one of {', '.join(best)}, found {model!r}; correct it, or leave it out for a "
            "model that the paper does not show"
        )
    layerwise = model == _LAYERWISE
    return Published(
        name=_NAMES.get(model, model),
        silhouettes=content["fig4_silhouette_by_layer"] if layerwise else {},
        best_silhouettes=best[model],
        property_neurons=content["fig7_property_neurons_by_layer"] if layerwise else {},
        overlaps=content["fig8_layer1_whole_set_sizes"] if layerwise else {},
    )


def read_references(path: str | Path, names: Mapping[str, str | None]) -> dict[str, Published]:
    """The published values of the paper's models among `names`: {model: values}."""
    return {model: read_published(path, name) for model, name in names.items() if name is not None}


def read_bars(path: str | Path, figure: str, published_as: str | None) -> dict[str, Bars]:
    """The bars of `figure` ("fig6" or "fig9") by metric; none where the paper does not show the model there."""
    content = read_json(path)[figure] if published_as == _LAYERWISE else {}
    return {metric: bars for metric, bars in content.items() if isinstance(bars, dict)}


def read_table1(path: str | Path) -> dict[tuple[str, str], float]:
    """Table 1: {(erased, part): delta in points}. Which gender is which is not sure there."""
    return {
        (_GENDERS[erased.removeprefix("erase_")], _GENDERS[part]): value
        for erased, parts in read_json(path)["table1_delta_error_rate"].items()
        for part, value in parts.items()
    }
