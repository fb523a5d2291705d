"""Configuration of clusters of speech, which replace phones or groups where there are no labels."""

from typing import Literal

from pydantic import Field, model_validator

from property_neurons.config.section import Name, Section


class Clusters(Section):
    """Groups that speech falls into by itself: k-means of a layer or of the log-Mel (docs/properties.md)."""

    of: Literal["frames", "utterances", "speakers"] = Field(
        default="frames",
        description="what is clustered: frames (units in place of phones), or the mean of the frames of each utterance "
        "or of each speaker (voices, in place of genders)",
    )
    model: Name | None = Field(default=None, description="the model to cluster a layer of (null: log-Mel frames)")
    layer: int | None = Field(default=None, ge=1, description="the layer, from 1")
    clusters: int = Field(ge=2, le=100, description="number of clusters")
    fit_hours: float = Field(
        default=1.0,
        gt=0,
        description="hours of randomly sampled speech to fit k-means on; of speakers, an utterance of each in turn, "
        "and at least one",
    )
    seed: int = Field(default=0, ge=0, description="of the sample and of k-means")

    @model_validator(mode="after")
    def _a_layer_is_of_a_model(self) -> "Clusters":
        if (self.model is None) != (self.layer is None):
            raise ValueError("`layer` goes with `model`: give both, or neither for log-Mel frames")
        return self
