"""Configuration of the tasks that models are judged by."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from property_neurons.config.optimisation import CHOSEN, LearningRates, Optimisation
from property_neurons.config.section import Name, OutsidePath

_CHOSEN_ON_DEV = CHOSEN.format(held_out="dev")


class _Task(Optimisation):
    split: Name = Field(description="name of a split")
    mode: Literal["frozen", "fine_tuned"] = Field(
        default="frozen",
        description="`frozen`: a head on the model as it is; `fine_tuned`: the whole model, with the head on its last "
        "layer",
    )
    layers: Literal["all", "last"] = Field(
        default="all",
        description="what the head of a frozen model reads: a learned weighted sum of all layers and of their input "
        "(SUPERB), which lets it go round a pruned layer, or the last layer alone",
    )
    steps: int = Field(default=100_000, ge=1, description="optimiser steps")
    evaluate_every: int = Field(default=2000, ge=1, description="steps between scorings of dev; the best one is kept")
    save_every: int = Field(default=2000, ge=1, description="steps between checkpoints; a multiple of evaluate_every")
    learning_rate: LearningRates = Field(default=1e-4, description=f"of Adam, without weight decay; {_CHOSEN_ON_DEV}")
    log_every: int = Field(default=100, ge=1, description="steps between points of the training curve")
    group_by_length: bool = Field(
        default=False,
        description="make batches of utterances of similar lengths, in random order: less padding, the same "
        "utterances per epoch",
    )
    precompute: bool = Field(
        default=False,
        description="frozen models alone: read the corpus once and share the states among all tasks and seeds, in half "
        "precision, until they are done (2 bytes x (layers + 1) x width a frame). For small models and corpora: when "
        "one task changes, the states are made anew, and every other task of the run that shares them is trained again",
    )

    # In place of that of `Optimisation`, which has the same name.
    @model_validator(mode="after")
    def _points_are_whole(self) -> "_Task":
        if self.save_every % self.evaluate_every:
            raise ValueError(
                f"save_every ({self.save_every}) must be a multiple of evaluate_every ({self.evaluate_every})"
            )
        if self.evaluate_every % self.log_every:
            raise ValueError(
                f"evaluate_every ({self.evaluate_every}) must be a multiple of log_every ({self.log_every})"
            )
        if self.mode == "fine_tuned" and self.layers != "all":
            raise ValueError(
                f"layers: {self.layers} is for the head of a frozen model; that of a fine-tuned one reads its last "
                "layer: leave out `layers`"
            )
        if problem := self.batch_problem():
            raise ValueError(problem)
        return self


class PhoneRecognition(_Task):
    """Phone recognition with CTC; phone error rate by edit distance."""

    kind: Literal["phone_recognition"] = Field(description="phone recognition with CTC")
    learning_rate: LearningRates = Field(
        default=1e-2, description=f"of Adam; 1e-2 frozen, 1e-4 fine-tuned in the source; {_CHOSEN_ON_DEV}"
    )
    lexicon: OutsidePath | None = Field(
        default=None,
        description="pronunciations (LibriSpeech's lexicon): stress-marked phones as units; null: the 39 phones and "
        "silence of the alignments",
    )


class SpeakerIdentification(_Task):
    """Speaker identification; share of utterances given to another speaker."""

    kind: Literal["speaker_identification"] = Field(description="which of the training speakers is it?")
    crop_seconds: float = Field(default=8.0, ge=0.5, description="longest piece of an utterance in training")
    test_seconds: float | None = Field(
        default=None,
        ge=0.5,
        description="score clips of this length of dev and test utterances instead of whole ones (null); short clips "
        "are harder, so that models without errors on whole utterances differ",
    )
    test_clips: int = Field(
        default=1,
        ge=1,
        description="clips of an utterance, each in the middle of as many equal parts; fewer where they would overlap",
    )

    @model_validator(mode="after")
    def _clips_have_a_length(self) -> "SpeakerIdentification":
        if self.test_clips > 1 and self.test_seconds is None:
            raise ValueError(f"test_clips ({self.test_clips}) need test_seconds; set it, or leave test_clips out")
        return self


class F0Reconstruction(_Task):
    """Reconstruction of ln F0 in voiced frames; mean squared error."""

    kind: Literal["f0_reconstruction"] = Field(description="ln F0 of each voiced frame")
    learning_rate: LearningRates = Field(default=1e-3, description=f"of Adam; {_CHOSEN_ON_DEV}")


Task = Annotated[PhoneRecognition | SpeakerIdentification | F0Reconstruction, Field(discriminator="kind")]
