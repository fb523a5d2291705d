"""Load the pruned model in this folder with transformers and torch alone.

    from load_pruned import load
    model = load("FOLDER")                                # in eval mode
    hidden = model(input_values).last_hidden_state        # as the unpruned model of transformers

The folder has its own copy of this file: property_neurons need not be installed. transformers gives all feed-forward
networks of a model one width; this file gives each network the width that config.json says. transformers has no
MelHuBERT; the one of this file takes normalised log-Mel frames (property_neurons.models.log_mel makes them).
"""

import json
from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, HubertConfig
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.hubert.modeling_hubert import HubertEncoder, HubertPreTrainedModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder
from transformers.utils.output_capturing import capture_outputs

_FIRST, _SECOND = ("intermediate_dense", "fc1"), ("output_dense", "fc2")


class MelHubert(HubertPreTrainedModel):
    """HuBERT's encoder behind a linear projection of log-Mel frames."""

    main_input_name = "input_features"
    base_model_prefix = "melhubert"  # of a checkpoint with the head of its pre-training

    def __init__(self, config: HubertConfig):
        super().__init__(config)
        frames = 1 if config.frame_ms == 10 else 2
        self.feature_projection = nn.ModuleDict(
            {"projection": nn.Linear(config.num_mel_bins * frames, config.hidden_size)}
        )
        self.encoder = HubertEncoder(config)
        self.post_init()

    @capture_outputs(tie_last_hidden_states=False)
    def forward(self, input_features: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs):
        """Hidden states of log-Mel frames [utterances, frames, features]; a mask is 1 where there is no padding."""
        hidden = self.feature_projection["projection"](input_features)
        mask = None if attention_mask is None else attention_mask.bool()
        encoded = self.encoder(hidden, attention_mask=mask, **kwargs)
        return BaseModelOutput(last_hidden_state=encoded.last_hidden_state)


def load(folder: str | Path) -> nn.Module:
    """The model of a folder, in eval mode.

    Raises:
        ValueError: config.json gives another number of widths than the model has feed-forward networks, or the weights
            are of another model.
    """
    fields = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    model_type = fields.pop("model_type").removeprefix("pruned-")
    widths = fields.pop("ffn_widths", None) or fields.pop("intermediate_sizes", None)
    if model_type == "melhubert":
        config, base = HubertConfig(**fields), MelHubert
    else:
        config = AutoConfig.for_model(model_type, **fields)
        base = WhisperEncoder if model_type == "whisper" else AutoModel._model_mapping[type(config)]

    class Pruned(base):
        """The architecture with the widths of config.json."""

        def __init__(self, config):
            super().__init__(config)
            _resize(self, widths)

    model, found = Pruned.from_pretrained(folder, config=config, dtype="auto", output_loading_info=True)
    lacking = {*found["missing_keys"], *map(str, found["mismatched_keys"])} - {"masked_spec_embed"}
    # Without them transformers would go on with random weights.
    if lacking:
        some = sorted(lacking)[:5]
        raise ValueError(f"{folder}: expected the weights of its config.json, found none that fit for {some}")
    return model.eval()


def _resize(model: nn.Module, widths: list[int] | None) -> None:
    """Give each feed-forward network its width, in the order of the forward pass."""
    # An adapter above the encoder has one that is not pruned.
    names = [name for name, _ in model.named_modules() if not name.startswith("adapter.")]
    first, second = ([name for name in names if name.rpartition(".")[2] in ends] for ends in (_FIRST, _SECOND))
    if widths is None:
        return
    if len(widths) != len(first):
        raise ValueError(f"config.json: expected {len(first)} widths of feed-forward networks, found {len(widths)}")
    for width, before, after in zip(widths, first, second, strict=True):
        _replace(model, before, model.get_submodule(before).in_features, width)
        _replace(model, after, width, model.get_submodule(after).out_features)


def _replace(model: nn.Module, name: str, n_in: int, n_out: int) -> None:
    parent, _, own = name.rpartition(".")
    linear = nn.Linear(n_in, n_out, bias=model.get_submodule(name).bias is not None)
    setattr(model.get_submodule(parent), own, linear)
