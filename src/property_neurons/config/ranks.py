"""Configuration of what one pass of a model keeps."""

from typing import Literal

from pydantic import Field

from property_neurons.config.section import Section


class Ranks(Section):
    """What one pass of a model keeps: the ids of each frame's most active neurons."""

    lambda_max: float = Field(default=0.02, gt=0, le=0.5, description="share of a layer's neurons kept in rank order")
    frames: Literal["all", "segment_mid"] = Field(
        default="all", description="every frame, or only the middle frame of each segment (a fifth of the space)"
    )
    batch_seconds: float | None = Field(
        default=None,
        ge=0,
        description=(
            "seconds of speech, padding included, that a model reads at once; null: 240 on a GPU, and one utterance at "
            "a time on a CPU, where that is faster; 0: one at a time; changing it runs nothing again (docs/gpu.md)"
        ),
    )
