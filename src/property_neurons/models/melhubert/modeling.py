"""MelHuBERT's network: transformers' own HuBERT encoder behind a linear projection of log-Mel frames."""

from dataclasses import dataclass

import torch
from torch import nn
from transformers.utils.output_capturing import capture_outputs

from property_neurons.models.backend import transformers
from property_neurons.models.melhubert.configuration import MelHubertConfig

_hubert = transformers.models.hubert.modeling_hubert

UNMASKED = -100
"""Label of frames that are not to be predicted."""


class _FeatureProjection(nn.Module):
    def __init__(self, config: MelHubertConfig):
        super().__init__()
        self.projection = nn.Linear(config.input_size, config.hidden_size)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.projection(features)


class MelHubertPreTrainedModel(_hubert.HubertPreTrainedModel):
    """What MelHuBERT's models share with HuBERT's: initialisation, attention kernels, recorded outputs."""

    config: MelHubertConfig
    config_class = MelHubertConfig
    base_model_prefix = "melhubert"
    main_input_name = "input_features"


class MelHubertModel(MelHubertPreTrainedModel):
    """The encoder: log-Mel frames in, hidden states out."""

    def __init__(self, config: MelHubertConfig):
        super().__init__(config)
        self.feature_projection = _FeatureProjection(config)
        self.encoder = _hubert.HubertEncoder(config)
        for layer, width in zip(self.encoder.layers, config.ffn_widths, strict=True):
            if width != config.intermediate_size:
                narrowed = MelHubertConfig(**(config.to_dict() | {"intermediate_size": width}))
                layer.feed_forward = _hubert.HubertFeedForward(narrowed)
        self.post_init()

    @capture_outputs(tie_last_hidden_states=False)
    def forward(
        self,
        input_features: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        mask_time_indices: torch.Tensor | None = None,
        **kwargs,
    ) -> "transformers.modeling_outputs.BaseModelOutput":
        """
        Args:
            input_features: normalised log-Mel frames, float [utterances, frames, input_size]; see
                `MelHubertFeatureExtractor`.
            attention_mask: [utterances, frames], 1 (or True) where a frame is no padding; None = no padding.
            mask_time_indices: bool [utterances, frames]; True where the input is replaced by zeros (pre-training).

        Returns:
            last_hidden_state [utterances, frames, hidden_size]; hidden_states (with `output_hidden_states=True`): the
            input of the first block, then the output of each.
        """
        if mask_time_indices is not None:
            input_features = input_features.masked_fill(mask_time_indices.unsqueeze(-1), 0.0)
        hidden_states = self.feature_projection(input_features)
        if attention_mask is not None:
            # An integer mask would pick rows instead of frames in the encoder.
            attention_mask = attention_mask.bool()
        encoded = self.encoder(hidden_states, attention_mask=attention_mask, **kwargs)
        return transformers.modeling_outputs.BaseModelOutput(last_hidden_state=encoded.last_hidden_state)


@dataclass
class MelHubertPreTrainingOutput(transformers.utils.ModelOutput):
    """
    loss: cross-entropy on the masked frames (a scalar); None without labels.
    logits: [masked frames, num_targets] with labels (frames in order, utterance by utterance), else
        [utterances, frames, num_targets].
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None


class MelHubertForPreTraining(MelHubertPreTrainedModel):
    """MelHuBERT with its prediction head: which cluster does each masked frame belong to?"""

    def __init__(self, config: MelHubertConfig):
        super().__init__(config)
        self.melhubert = MelHubertModel(config)
        self.final_proj = nn.Linear(config.hidden_size, config.num_targets)
        self.post_init()

    def forward(
        self,
        input_features: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        mask_time_indices: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs,
    ) -> MelHubertPreTrainingOutput:
        """
        Args:
            input_features, attention_mask, mask_time_indices: as in `MelHubertModel.forward`.
            labels: int64 [utterances, frames], the cluster of each frame to be predicted, -100 elsewhere.
            num_items_in_batch: frames to be predicted in all batches that one step accumulates, over which the loss
                is averaged; None = those in this batch.
        """
        hidden = self.melhubert(
            input_features, attention_mask=attention_mask, mask_time_indices=mask_time_indices, **kwargs
        ).last_hidden_state
        if labels is None:
            return MelHubertPreTrainingOutput(logits=self.final_proj(hidden))
        predicted = labels != UNMASKED
        logits = self.final_proj(hidden[predicted])
        targets = labels[predicted]
        if num_items_in_batch is None:
            loss = nn.functional.cross_entropy(logits.float(), targets)
        else:
            loss = nn.functional.cross_entropy(logits.float(), targets, reduction="sum") / num_items_in_batch
        return MelHubertPreTrainingOutput(loss=loss, logits=logits)
