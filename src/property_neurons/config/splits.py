"""Configuration of who is trained and tested on."""

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
