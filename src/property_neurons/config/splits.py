"""Configuration of splits: which speech is for training, which for dev and test."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from property_neurons.config.section import Name, Section, each_once

Corpora = Annotated[Name | Annotated[list[Name], Field(min_length=1)], AfterValidator(each_once)]
"""The name of a corpus, or of several that are taken together."""


def named(corpora: str | Sequence[str]) -> list[str]:
    """The names in `Corpora`."""
    return [corpora] if isinstance(corpora, str) else list(corpora)


class _Divided(Section):
    corpus: Corpora = Field(description="name of the corpus, or a list of several taken together")
    dev: float = Field(default=0.15, gt=0, lt=1, description="share for choosing the best checkpoint")
    test: float = Field(default=0.25, gt=0, lt=1, description="share to score, once")
    seed: int = Field(default=0, ge=0, description="seed of the division")

    @model_validator(mode="after")
    def _some_are_left(self) -> "_Divided":
        if self.dev < 1 and self.test < 1 and self.dev + self.test >= 1:
            raise ValueError(f"dev ({self.dev}) and test ({self.test}) leave nothing to train on; lower one of them")
        return self


class SpeakerSplit(_Divided):
    """Whole speakers: those tested on are unseen."""

    by: Literal["speaker"] = Field(description="divide the speakers of a corpus, within each gender")


class UtteranceSplit(_Divided):
    """Utterances of every speaker in each part."""

    by: Literal["utterance"] = Field(description="divide the utterances of each speaker of a corpus")
    dev: float = Field(
        default=0.15,
        gt=0,
        description="share for choosing the best checkpoint; 1 or more: utterances of each speaker",
    )
    test: float = Field(default=0.25, gt=0, description="share to score, once; 1 or more: utterances of each speaker")

    @field_validator("dev", "test")
    @classmethod
    def _share_or_number(cls, value: float) -> float:
        if value >= 1 and value != int(value):
            raise ValueError(f"expected a share below 1 or a whole number of utterances, found {value}")
        return value


class CorpusSplit(Section):
    """Corpora of their own for the parts, such as LibriSpeech's train, dev and test parts."""

    by: Literal["corpus"] = Field(description="corpora of its own for each part")
    train: Corpora = Field(description="name of the corpus to train on, or a list")
    dev: Corpora = Field(description="name of the corpus for choosing the best checkpoint, or a list")
    test: Corpora = Field(description="name of the corpus to score, once, or a list")

    @model_validator(mode="after")
    def _three_corpora(self) -> "CorpusSplit":
        parts = [name for part in (self.train, self.dev, self.test) for name in named(part)]
        if len(set(parts)) < len(parts):
            raise ValueError(
                f"expected corpora of its own for each part, found train {self.train!r}, dev {self.dev!r}, "
                f"test {self.test!r}; name others, or divide one by speaker"
            )
        return self


class OfficialSplit(Section):
    """The official split of a corpus."""

    by: Literal["official"] = Field(description="the corpus's own split file (kind voxceleb1)")
    corpus: Name = Field(description="name of the corpus")


Split = Annotated[SpeakerSplit | UtteranceSplit | CorpusSplit | OfficialSplit, Field(discriminator="by")]


def split_corpora(split: Split) -> list[str]:
    """The corpora that a split draws on, in the order train, dev, test; each once."""
    parts = [split.train, split.dev, split.test] if isinstance(split, CorpusSplit) else [split.corpus]
    return [name for part in parts for name in named(part)]
