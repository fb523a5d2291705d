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
    width: number of neurons (its in_features); differs between the layers of a pruned model.
    """

    layer: int
    name: str
    module: str
    width: int


@dataclass(frozen=True)
class _Architecture:
    blocks: str
    second_linears: tuple[str, ...]


_ONE = _Architecture("encoder.layers", ("feed_forward.output_dense",))
_TWO = _Architecture("encoder.layers", ("ffn1.output_dense", "ffn2.output_dense"))
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
    "WhisperEncoder": _Architecture("layers", ("fc2",)),
}


def ffn_sites(model: nn.Module) -> list[Site]:
    """Every second feed-forward linear of `model`, in the order in which the forward pass reaches them.

    Raises:
        ModelError: the neurons of this class are not known.
    """
    class_name = type(model).__name__
    if class_name not in _ARCHITECTURES:
        raise ModelError(
            f"{class_name}: expected a model whose feed-forward neurons are known ({', '.join(_ARCHITECTURES)}); "
            "use one of these, or add an entry to property_neurons.models.ffn"
        )
    architecture = _ARCHITECTURES[class_name]
    n_blocks = len(model.get_submodule(architecture.blocks))
    sites = []
    for block in range(n_blocks):
        for position, linear in enumerate(architecture.second_linears, start=1):
            name = str(block + 1) if len(architecture.second_linears) == 1 else f"{block + 1}.{position}"
            module = f"{architecture.blocks}.{block}.{linear}"
            sites.append(Site(block + 1, name, module, model.get_submodule(module).in_features))
    return sites
