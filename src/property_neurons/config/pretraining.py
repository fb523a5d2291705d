"""Configuration of the pre-training of MelHuBERT models."""

from typing import Literal

from pydantic import Field, model_validator

from property_neurons.config.optimisation import CHOSEN, LearningRates, Optimisation
from property_neurons.config.section import Name, Section


class Architecture(Section):
    """A MelHuBERT model, in the terms of its transformers config; the defaults are the base model's."""

    frame_ms: Literal[10, 20] = Field(default=20, description="length of a frame")
    hidden_size: int = Field(default=768, ge=1, description="width of the hidden states")
    num_hidden_layers: int = Field(default=12, ge=1, description="Transformer blocks")
    num_attention_heads: int = Field(default=12, ge=1, description="attention heads; divides `hidden_size`")
    intermediate_size: int = Field(default=3072, ge=1, description="neurons in each feed-forward network")
    num_conv_pos_embeddings: int = Field(default=128, ge=1, description="kernel of the positional convolution, frames")
    num_conv_pos_embedding_groups: int = Field(default=16, ge=1, description="its groups; divides `hidden_size`")

    hidden_dropout: float = Field(default=0.1, ge=0, lt=1, description="dropout of each block's outputs in training")
    attention_dropout: float = Field(default=0.1, ge=0, lt=1, description="dropout of the attention weights")
    activation_dropout: float = Field(default=0.1, ge=0, lt=1, description="dropout of the neurons")

    @model_validator(mode="after")
    def _divides(self) -> "Architecture":
        for key in ("num_attention_heads", "num_conv_pos_embedding_groups"):
            if self.hidden_size % getattr(self, key):
                raise ValueError(f"hidden_size ({self.hidden_size}) must be a multiple of {key} ({getattr(self, key)})")
        return self


class Targets(Section):
    """The targets of masked frames: their k-means clusters."""

    clusters: int = Field(default=512, ge=2, le=65_535, description="clusters of k-means")
    layer: int | None = Field(
        default=None, ge=1, description="layer of the stage before to cluster; null clusters log-Mel frames"
    )
    model: Name | None = Field(
        default=None, description="the MelHuBERT of the config to cluster a layer of, instead of the stage before"
    )
    centred: bool = Field(
        default=False,
        description="subtract each utterance's mean before clustering, so that clusters tell less of the speaker",
    )
    fit_hours: float = Field(default=100.0, gt=0, description="hours of speech, sampled at random, to fit k-means on")


class InitialModel(Section):
    """A model to train on from."""

    model: Name = Field(description="a MelHuBERT of the config, pruned or not; its architecture is taken over")


class Stage(Optimisation):
    """One stage of pre-training."""

    targets: Targets = Field(default_factory=Targets, description="what is predicted")
    targets_of: Name | None = Field(
        default=None, description="another run: take over the targets of its stage of the same number"
    )
    initial: Literal["random", "previous"] | InitialModel = Field(
        default="random",
        description="start from random weights, from those of the stage before, or from {model: NAME}",
    )
    learning_rate: LearningRates = Field(
        default=1e-4,
        description=f"of Adam, without weight decay; {CHOSEN.format(held_out='the speech held out for validation')}",
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        description="stop when this many validations in a row have not lowered the least validation loss; null: never",
    )
    crop_seconds: float = Field(default=15.0, ge=0.1, description="longest crop; shorter utterances are taken whole")
    coded_share: float = Field(
        default=0.0, ge=0, le=1, description="share of the crops taken from the audio after MP3 coding at 24 kbit/s"
    )
    frequency_warp: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="vocal tract length perturbation: frequencies times a random factor of at most 1 + this",
    )
    seed: int = Field(default=0, ge=0, description="seed of weights, crops, masks and dropout")


class MaskedPrediction(Section):
    """What pre-training itself and fine-tuning after pruning share."""

    corpus: Name = Field(description="name of the corpus to train on")
    validation_share: float = Field(
        default=0.01, gt=0, lt=1, description="least share of the speech held out for validation, by speaker"
    )
    gpus: int = Field(default=1, ge=1, description="GPUs that a stage trains on (without `device: cpu`)")


class Pretraining(MaskedPrediction):
    """A MelHuBERT model trained from speech alone, stage by stage."""

    architecture: Architecture = Field(default_factory=Architecture, description="the model")
    stages: list[Stage] = Field(min_length=1, description="the stages, in order")

    @property
    def starts_from(self) -> str | None:
        """The model of the config that the first stage trains on, if it does not start at random."""
        initial = self.stages[0].initial
        return initial.model if isinstance(initial, InitialModel) else None

    @model_validator(mode="after")
    def _stages_follow(self) -> "Pretraining":
        if self.starts_from is not None and "architecture" in self.model_fields_set:
            raise ValueError(f"architecture: leave it out; it is that of the model {self.starts_from!r}")
        for number, stage in enumerate(self.stages, start=1):
            if problem := stage.batch_problem(self.gpus):
                raise ValueError(f"stages: of stage {number}, {problem}")
            if stage.targets_of is not None and "targets" in stage.model_fields_set:
                raise ValueError(
                    f"stages: targets of stage {number} are those of {stage.targets_of!r} (targets_of); leave out "
                    "`targets`, or `targets_of`"
                )
            self._check_initial(number, stage)
            self._check_layer(number, stage)
        return self

    def _check_initial(self, number: int, stage: Stage) -> None:
        if number > 1 and isinstance(stage.initial, InitialModel):
            raise ValueError("stages: only the first can start from a model of the config")
        if number == 1 and stage.initial == "previous":
            raise ValueError("stages: the first has none before it; leave out `initial`")
        if number > 1 and stage.initial == "random" and self.starts_from is not None:
            raise ValueError(
                f"stages: the run starts from {self.starts_from!r}, so stage {number} must go on: set initial: previous"
            )

    def _check_layer(self, number: int, stage: Stage) -> None:
        layer, model = stage.targets.layer, stage.targets.model
        if model is not None and layer is None:
            raise ValueError(f"stages: targets.model of stage {number} needs targets.layer")
        if layer is None or model is not None or stage.targets_of is not None:
            return
        if number == 1:
            raise ValueError("stages: the first has none before it; leave out `targets.layer`, or name `targets.model`")
        if self.starts_from is None and layer > self.architecture.num_hidden_layers:
            raise ValueError(
                f"stages: targets.layer {layer} of stage {number} is above the model's "
                f"{self.architecture.num_hidden_layers} layers"
            )
