"""Where each architecture keeps its feed-forward neurons.

A neuron is one coordinate of the vector between the two linears of a Transformer block's feed-forward network. It is
read as the INPUT of the second linear: the activation, in eval mode, bias included (section 3.1 of the paper).
A new architecture is one entry in `_ARCHITECTURES`.
"""

from dataclasses import dataclass

from torch import nn

from property_neurons.errors import ModelError


@dataclass(frozen=True)
class Site:
    """One place where neurons are read.

    layer: number of the Transformer block, from 1.
    name: "3", or "3.1" and "3.2" where a block has two feed-forward networks (conformers).
    module: dotted path of the second feed-forward linear.
    first: dotted path of the first one.
    width: number of neurons (in_features of the second); differs between the layers of a pruned model.
    """

    layer: int
    name: str
    module: str
    first: str
    width: int


@dataclass(frozen=True)
class _Architecture:
    """blocks: path of the list of blocks; linears: the first and second one of each network of a block."""

    blocks: str
    linears: tuple[tuple[str, str], ...]


def _dense(name: str) -> tuple[str, str]:
    return f"{name}.intermediate_dense", f"{name}.output_dense"


_ONE = _Architecture("encoder.layers", (_dense("feed_forward"),))
_TWO = _Architecture("encoder.layers", (_dense("ffn1"), _dense("ffn2")))
_ARCHITECTURES = {
    "HubertModel": _ONE,
    "Wav2Vec2Model": _ONE,
    "WavLMModel": _ONE,
    "UniSpeechSatModel": _ONE,
    "Data2VecAudioModel": _ONE,
    "SEWModel": _ONE,
    "MelHubertModel": _ONE,
    "Wav2Vec2ConformerModel": _TWO,
    "Wav2Vec2BertModel": _TWO,
    "WhisperEncoder": _Architecture("layers", (("fc1", "fc2"),)),
}


def ffn_sites(model: nn.Module) -> list[Site]:
    """Every feed-forward network of `model`, in the order in which the forward pass reaches them.

    Args:
        model: a base model of a known class, or of one derived from it (a pruned model).

    Raises:
        ModelError: the neurons of this class are not known.
    """
    architecture = _architecture(model)
    sites = []
    for block in range(len(model.get_submodule(architecture.blocks))):
        for position, linears in enumerate(architecture.linears, start=1):
            name = str(block + 1) if len(architecture.linears) == 1 else f"{block + 1}.{position}"
            first, second = (f"{architecture.blocks}.{block}.{linear}" for linear in linears)
            sites.append(Site(block + 1, name, second, first, model.get_submodule(second).in_features))
    return sites


def _architecture(model: nn.Module) -> _Architecture:
    for ancestor in type(model).__mro__:
        if ancestor.__name__ in _ARCHITECTURES:
            return _ARCHITECTURES[ancestor.__name__]
    raise ModelError(
        f"{type(model).__name__}: expected a model whose feed-forward neurons are known ({', '.join(_ARCHITECTURES)}); "
        "use one of these, or add an entry to property_neurons.models.ffn"
    )
