"""Configuration of the tasks that models are judged by, and of who is trained and tested on."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from property_neurons.config.section import Name, Section


class _Shares(Section):
    corpus: Name = Field(description="name of the corpus")
    dev: float = Field(default=0.15, gt=0, lt=1, description="share that the best checkpoint is chosen on")
    test: float = Field(default=0.25, gt=0, lt=1, description="share that is scored, once")
    seed: int = Field(default=0, ge=0, description="seed of the division")

    @model_validator(mode="after")
    def _some_are_left(self) -> "_Shares":
        if self.dev + self.test >= 1:
            raise ValueError(f"dev ({self.dev}) and test ({self.test}) leave nothing to train on; lower one of them")
        return self


class SpeakerSplit(_Shares):
    """Whole speakers: those tested on are unseen."""

    by: Literal["speaker"] = Field(description="divide the speakers of one corpus, within each gender")


class UtteranceSplit(_Shares):
    """Utterances of every speaker in each part."""

    by: Literal["utterance"] = Field(description="divide the utterances of each speaker of one corpus")


class CorpusSplit(Section):
    """Three corpora, such as LibriSpeech's own train, dev and test parts."""

    by: Literal["corpus"] = Field(description="one corpus for each part")
    train: Name = Field(description="name of the corpus to train on")
    dev: Name = Field(description="name of the corpus that the best checkpoint is chosen on")
    test: Name = Field(description="name of the corpus that is scored, once")

    @model_validator(mode="after")
    def _three_corpora(self) -> "CorpusSplit":
        parts = [self.train, self.dev, self.test]
        if len(set(parts)) < len(parts):
            raise ValueError(
                f"expected a corpus of its own for each part, found train {self.train!r}, dev {self.dev!r}, "
                f"test {self.test!r}; name three, or divide one by speaker"
            )
        return self


class OfficialSplit(Section):
    """The division that a corpus brings along."""

    by: Literal["official"] = Field(description="the corpus's own split file (kind voxceleb1)")
    corpus: Name = Field(description="name of the corpus")


Split = Annotated[SpeakerSplit | UtteranceSplit | CorpusSplit | OfficialSplit, Field(discriminator="by")]


def split_corpora(split: Split) -> list[str]:
    """The corpora that a split draws on, in the order train, dev, test; each once."""
    if isinstance(split, CorpusSplit):
        return list(dict.fromkeys([split.train, split.dev, split.test]))
    return [split.corpus]


class _Task(Section):
    split: Name = Field(description="name of a split")
    mode: Literal["frozen", "fine_tuned"] = Field(
        default="frozen",
        description="`frozen`: a head on a learned weighted sum of all layers; `fine_tuned`: the whole model, with the "
        "head on its last layer",
    )
    steps: int = Field(default=100_000, ge=1, description="optimiser steps")
    batch_size: int = Field(default=32, ge=1, description="utterances per step, over accumulated batches")
    accumulation: int = Field(default=1, ge=1, description="batches a step accumulates; divides `batch_size`")
    group_by_length: bool = Field(
        default=False,
        description="make batches of utterances of similar lengths, in a drawn order: less padding, the same "
        "utterances per epoch",
    )
    learning_rate: float = Field(default=1e-4, gt=0, description="of Adam, without weight decay")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        default="constant", description="of the learning rate after the warm-up; the others fall to zero"
    )
    warmup_steps: int = Field(default=0, ge=0, description="steps in which the learning rate rises from zero")
    max_grad_norm: float = Field(default=1.0, gt=0, description="norm that gradients are clipped to")
    precision: Literal["fp32", "bf16"] = Field(
        default="fp32", description="arithmetic of the training passes; bf16 on GPUs alone"
    )
    evaluate_every: int = Field(default=2000, ge=1, description="steps between scorings of dev; the best one is kept")
    save_every: int = Field(default=2000, ge=1, description="steps between checkpoints; a multiple of evaluate_every")
    log_every: int = Field(default=100, ge=1, description="steps between points of the training curve")
    workers: int = Field(default=0, ge=0, description="processes that prepare batches; 0 for none but the training's")
    precompute: bool = Field(
        default=False,
        description="of a frozen model: pass the corpus once and share the states among all tasks and seeds, in half "
        "precision, until they are done (2 bytes x (layers + 1) x width a frame); for small models and corpora",
    )

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
        if self.batch_size % self.accumulation:
            raise ValueError(f"accumulation ({self.accumulation}) must divide batch_size ({self.batch_size})")
        return self


class PhoneRecognition(_Task):
    """Phone recognition with CTC; phone error rate by edit distance."""

    kind: Literal["phone_recognition"] = Field(description="phone recognition with CTC")
    learning_rate: float = Field(default=1e-2, gt=0, description="of Adam; 1e-2 frozen, 1e-4 fine-tuned in the source")
    projector: int = Field(default=256, ge=1, description="width of the linear layer before the last one")
    lexicon: str | None = Field(
        default=None,
        description="pronunciations (LibriSpeech's lexicon): stress-marked phones as units; null: the 39 phones and "
        "silence of the alignments",
    )


class SpeakerIdentification(_Task):
    """Speaker identification; share of utterances given to another speaker."""

    kind: Literal["speaker_identification"] = Field(description="which of the training speakers is it?")
    projector: int = Field(default=256, ge=1, description="width of the linear layer before the mean over time")
    crop_seconds: float = Field(default=8.0, ge=0.5, description="longest piece of an utterance in training")


class F0Reconstruction(_Task):
    """Reconstruction of ln F0 in voiced frames; mean squared error."""

    kind: Literal["f0_reconstruction"] = Field(description="ln F0 of each voiced frame")
    learning_rate: float = Field(default=1e-3, gt=0, description="of Adam")


Task = Annotated[PhoneRecognition | SpeakerIdentification | F0Reconstruction, Field(discriminator="kind")]
