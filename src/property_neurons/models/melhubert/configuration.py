"""The configuration of MelHuBERT models."""

from huggingface_hub.dataclasses import strict

from property_neurons.models.backend import transformers
from property_neurons.models.log_mel import FRAMES_OF_10_MS


@strict
class MelHubertConfig(transformers.PreTrainedConfig):
    """Architecture of a MelHuBERT model; the defaults are those of the base model of 20 ms.

    frame_ms: 20 (two log-Mel frames side by side) or 10.
    num_mel_bins: log-Mel bins per frame of 10 ms.
    intermediate_size: neurons in each block's feed-forward network.
    intermediate_sizes: neurons block by block, where they differ (a pruned model); None = `intermediate_size` in all.
    num_targets: classes of the prediction head (clusters of k-means).
    Everything else is named and meant as in `transformers.HubertConfig`.
    """

    model_type = "melhubert"

    frame_ms: int = 20
    num_mel_bins: int = 40
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    intermediate_sizes: list[int] | None = None
    num_targets: int = 512
    hidden_act: str = "gelu"
    hidden_dropout: float | int = 0.1
    activation_dropout: float | int = 0.1
    attention_dropout: float | int = 0.1
    layerdrop: float | int = 0.0
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-5
    feat_extract_activation: str = "gelu"
    num_conv_pos_embeddings: int = 128
    num_conv_pos_embedding_groups: int = 16
    conv_pos_batch_norm: bool = False

    @property
    def ffn_widths(self) -> list[int]:
        """Neurons in each block's feed-forward network."""
        return list(self.intermediate_sizes or [self.intermediate_size] * self.num_hidden_layers)

    @property
    def input_size(self) -> int:
        """Features that the model takes in per frame."""
        return self.num_mel_bins * FRAMES_OF_10_MS[self.frame_ms]

    def validate_architecture(self):
        """Part of transformers' validation, on construction and on loading."""
        if self.frame_ms not in FRAMES_OF_10_MS:
            raise ValueError(f"frame_ms: expected 10 or 20, found {self.frame_ms}; correct it")
        for size in (
            "num_mel_bins",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "num_targets",
            "num_conv_pos_embeddings",
            "num_conv_pos_embedding_groups",
        ):
            if getattr(self, size) < 1:
                raise ValueError(f"{size}: expected a positive number, found {getattr(self, size)}; correct it")
        for divisor in ("num_attention_heads", "num_conv_pos_embedding_groups"):
            if self.hidden_size % getattr(self, divisor):
                raise ValueError(
                    f"hidden_size ({self.hidden_size}) must be a multiple of {divisor} ({getattr(self, divisor)}); "
                    "change one of them"
                )
        sizes = self.intermediate_sizes
        if sizes is not None and (len(sizes) != self.num_hidden_layers or min(sizes, default=0) < 1):
            raise ValueError(
                f"intermediate_sizes: expected {self.num_hidden_layers} positive numbers, one per layer, "
                f"found {sizes}; correct them"
            )
