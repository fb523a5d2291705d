"""Models whose feed-forward networks differ in width from layer to layer, for every architecture.

transformers gives all layers of a model one width. For each architecture this module derives a config with a further
field, `ffn_widths`, and a model that follows it: HubertModel -> PrunedHubertModel, model type "pruned-hubert".
Importing it makes AutoConfig and AutoModel know them, so that `AutoModel.from_pretrained(folder)` loads a pruned model
like any other. MelHuBERT has such a field of its own (`intermediate_sizes`) and needs no derived class.
"""

from collections.abc import Sequence

import torch
from huggingface_hub.dataclasses import strict
from torch import nn

from property_neurons.errors import ModelError
from property_neurons.models.backend import transformers
from property_neurons.models.ffn import ffn_sites
from property_neurons.models.melhubert import MelHubertConfig

PREFIX = "pruned-"

_BASES = (
    transformers.HubertModel,
    transformers.Wav2Vec2Model,
    transformers.WavLMModel,
    transformers.UniSpeechSatModel,
    transformers.Data2VecAudioModel,
    transformers.SEWModel,
    transformers.Wav2Vec2ConformerModel,
    transformers.Wav2Vec2BertModel,
    transformers.models.whisper.modeling_whisper.WhisperEncoder,
)


def base_type(config: "transformers.PreTrainedConfig") -> str:
    """The model type of the architecture that a model, pruned or not, belongs to: "hubert", "whisper", ..."""
    return config.model_type.removeprefix(PREFIX)


def ffn_widths(config: "transformers.PreTrainedConfig") -> list[int] | None:
    """The widths a config gives to the feed-forward networks, site by site; None where all have the architecture's."""
    return getattr(config, "intermediate_sizes" if isinstance(config, MelHubertConfig) else "ffn_widths", None)


def with_widths(config: "transformers.PreTrainedConfig", widths: Sequence[int]) -> "transformers.PreTrainedConfig":
    """The config of the same model with these widths, one per site.

    Raises:
        ModelError: no pruned form of this architecture is known.
    """
    fields = {key: value for key, value in config.to_dict().items() if key != "model_type"}
    if isinstance(config, MelHubertConfig):
        return MelHubertConfig(**(fields | {"intermediate_sizes": list(widths)}))
    pruned = _CONFIGS.get(base_type(config))
    if pruned is None:
        raise ModelError(
            f"{config.model_type}: expected an architecture that can be pruned ({', '.join(_CONFIGS)} or melhubert); "
            "add it to property_neurons.models.pruned"
        )
    return pruned(**(fields | {"ffn_widths": list(widths)}))


def pruned_class(model: "transformers.PreTrainedModel") -> type["transformers.PreTrainedModel"]:
    """The class of a pruned model of this class."""
    if isinstance(model.config, MelHubertConfig):
        return type(model)
    return _MODELS[base_type(model.config)]


def _follow_widths(model: "transformers.PreTrainedModel") -> None:
    """Give each feed-forward network of a new model the width that its config asks for."""
    sites = ffn_sites(model)
    widths = model.config.ffn_widths
    if widths is None:
        return
    if len(widths) != len(sites) or min(widths) < 1:
        raise ModelError(
            f"ffn_widths: expected {len(sites)} positive numbers, one per feed-forward network, found {widths}; "
            "correct config.json"
        )
    for site, width in zip(sites, widths, strict=True):
        if width != site.width:
            resize(model, site.first, site.module, width)


def resize(model: nn.Module, first: str, second: str, width: int) -> None:
    """Replace the two linears of a feed-forward network by new ones of another width."""
    old_first, old_second = model.get_submodule(first), model.get_submodule(second)
    new = {
        first: nn.Linear(old_first.in_features, width, bias=old_first.bias is not None),
        second: nn.Linear(width, old_second.out_features, bias=old_second.bias is not None),
    }
    for path, linear in new.items():
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, linear.to(old_first.weight.dtype))


def _derive(base: type) -> tuple[type, type]:
    """The pruned config and model of one architecture."""
    base_config = base.config_class
    stem = base.__name__.removesuffix("Model")
    config = strict(
        type(
            f"Pruned{base_config.__name__}",
            (base_config,),
            {
                "__module__": __name__,
                "__doc__": f"A {base_config.__name__} with `ffn_widths`, the neurons in each feed-forward network.",
                "__annotations__": {"ffn_widths": list[int] | None},
                "model_type": PREFIX + base_config.model_type,
                "ffn_widths": None,
            },
        )
    )

    def __init__(self, config):
        base.__init__(self, config)
        _follow_widths(self)
        self.post_init()

    name = f"Pruned{stem}" if stem.endswith("Encoder") else f"Pruned{stem}Model"
    model = type(
        name,
        (base,),
        {
            "__module__": __name__,
            "__doc__": f"A {base.__name__} whose feed-forward networks have the widths of `config.ffn_widths`.",
            "__init__": __init__,
            "config_class": config,
        },
    )
    return config, model


_CONFIGS: dict[str, type] = {}
_MODELS: dict[str, type] = {}
for _base in _BASES:
    _config, _model = _derive(_base)
    _CONFIGS[_base.config_class.model_type] = _config
    _MODELS[_base.config_class.model_type] = _model
    # Under their names, so that they can be imported and pickled.
    globals().update({_config.__name__: _config, _model.__name__: _model})
    transformers.AutoConfig.register(_config.model_type, _config, exist_ok=True)
    transformers.AutoModel.register(_config, _model, exist_ok=True)


def remove_neurons(
    model: "transformers.PreTrainedModel", kept: Sequence[torch.Tensor]
) -> "transformers.PreTrainedModel":
    """The same model with only the neurons of `kept`: rows of the first linear and its bias, columns of the second.

    The output is the same as with the activations of the removed neurons at zero (method, section 4).

    Args:
        model: a base model of a known architecture, pruned before or not, or a MelHubertForPreTraining; not altered.
        kept: for each feed-forward network, in forward order, the neurons that stay, int64 [width], ascending.

    Returns:
        a new model in eval mode, on the device and in the precision of the old one.

    Raises:
        ModelError: not one entry per network, an empty one, or neurons that do not exist or do not ascend.
    """
    base = model.base_model
    sites = ffn_sites(base)
    if len(kept) != len(sites):
        raise ModelError(f"expected the kept neurons of {len(sites)} feed-forward networks, found {len(kept)}")
    kept = [torch.as_tensor(neurons, dtype=torch.int64).cpu() for neurons in kept]
    for site, neurons in zip(sites, kept, strict=True):
        if not len(neurons):
            raise ModelError(
                f"feed-forward network {site.name}: no neuron would be left of {site.width}; keep at least one"
            )
        if neurons.min() < 0 or neurons.max() >= site.width or (neurons.diff() <= 0).any():
            raise ModelError(
                f"feed-forward network {site.name}: expected ascending neurons from 0 to {site.width - 1}, found "
                f"{len(neurons)} from {int(neurons.min())} to {int(neurons.max())}; were they found on another model?"
            )
    config = with_widths(model.config, [len(neurons) for neurons in kept])
    prefix = "" if base is model else f"{model.base_model_prefix}."
    state = dict(model.state_dict())
    for site, neurons in zip(sites, kept, strict=True):
        index = neurons.to(model.device)
        for name, axis in ((f"{site.first}.weight", 0), (f"{site.first}.bias", 0), (f"{site.module}.weight", 1)):
            if prefix + name in state:
                state[prefix + name] = state[prefix + name].index_select(axis, index)
    with torch.random.fork_rng(devices=[]):
        pruned = pruned_class(model)(config)
    pruned = pruned.to(device=model.device, dtype=model.dtype)
    pruned.load_state_dict(state)
    return pruned.eval()
