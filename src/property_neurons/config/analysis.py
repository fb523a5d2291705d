"""Configuration of what is counted, which neurons a property has, and what the figures show."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from property_neurons.config.section import Name, Section
from property_neurons.corpus.phones import PHONE_CLASSES, PHONES, group_problems


class Ranks(Section):
    """What one pass of a model keeps: the ids of each frame's most active neurons."""

    lambda_max: float = Field(default=0.02, gt=0, le=0.5, description="share of a layer's neurons kept in rank order")
    frames: Literal["all", "segment_mid"] = Field(
        default="all", description="every frame, or only the middle frame of each segment (a fifth of the space)"
    )


class Options(Section):
    """Every point where paper and authors' code part, resolved (method.md, section 1)."""

    lambda_: float
    sigma: float
    min_count: int
    frames: Literal["every", "segment_mid"]
    last_run: Literal["keep", "drop"]
    equal_neighbours: Literal["separate", "merge"]
    threshold: Literal["lambda", "tau_over_width"]
    pitch_cuts: Literal["tertiles", "percentiles_33_66"] | tuple[float, float]
    at_lower_cut: Literal["lower_bin", "omit"]
    f0_padding: Literal["end", "front"]
    pitch_phones: Literal["voiced", "all"]


PRESETS = {
    "clean": {
        "frames": "every",
        "last_run": "keep",
        "equal_neighbours": "separate",
        "threshold": "lambda",
        "pitch_cuts": "tertiles",
        "at_lower_cut": "lower_bin",
        "f0_padding": "end",
        "pitch_phones": "voiced",
    },
    "published": {
        "frames": "segment_mid",
        "last_run": "drop",
        "equal_neighbours": "merge",
        "threshold": "tau_over_width",
        "pitch_cuts": "percentiles_33_66",
        "at_lower_cut": "omit",
        "f0_padding": "front",
        "pitch_phones": "all",
    },
}

_BY_PRESET = "(null: as the preset says)"


class Analysis(Section):
    """The definition of activation, pattern and neuron set; unset options follow the preset."""

    preset: Literal["clean", "published"] = Field(
        default="clean", description="`clean`: the definitions; `published`: as the published numbers were made"
    )
    lambda_: float = Field(
        default=0.01, alias="lambda", gt=0, le=0.5, description="share of neurons that count as active in a frame"
    )
    sigma: float = Field(default=0.8, gt=0, le=1, description="share of a group's phones a group neuron must serve")
    min_count: int = Field(default=0, ge=0, description="cells with fewer frames get an empty pattern")
    frames: Literal["every", "segment_mid"] | None = Field(
        default=None, description=f"count every frame, or the middle frame of each run {_BY_PRESET}"
    )
    last_run: Literal["keep", "drop"] | None = Field(
        default=None, description=f"keep or drop an utterance's last run {_BY_PRESET}"
    )
    equal_neighbours: Literal["separate", "merge"] | None = Field(
        default=None, description=f"adjacent segments of one phone: two runs or one {_BY_PRESET}"
    )
    threshold: Literal["lambda", "tau_over_width"] | None = Field(
        default=None, description=f"a neuron is in the pattern above lambda, or above tau / width {_BY_PRESET}"
    )
    pitch_cuts: Literal["tertiles", "percentiles_33_66"] | tuple[float, float] | None = Field(
        default=None, description=f"cuts between low, middle and high pitch, or two values in Hz {_BY_PRESET}"
    )
    at_lower_cut: Literal["lower_bin", "omit"] | None = Field(
        default=None, description=f"a frame whose F0 equals the lower cut {_BY_PRESET}"
    )
    f0_padding: Literal["end", "front"] | None = Field(
        default=None, description=f"where an F0 track shorter than the labels is padded {_BY_PRESET}"
    )
    pitch_phones: Literal["voiced", "all"] | None = Field(
        default=None, description=f"phones that make up the pitch groups {_BY_PRESET}"
    )

    @field_validator("pitch_cuts")
    @classmethod
    def _ascending(cls, value: object) -> object:
        if isinstance(value, tuple) and not 0 < value[0] < value[1]:
            raise ValueError(f"two values in Hz, the lower first and above 0, found {list(value)}")
        return value

    def resolved(self) -> Options:
        """Every option with its value: its own where set, else the preset's."""
        own = {key: value for key in PRESETS["clean"] if (value := getattr(self, key)) is not None}
        return Options(lambda_=self.lambda_, sigma=self.sigma, min_count=self.min_count, **(PRESETS[self.preset] | own))


class PhoneProperty(Section):
    """A property of the phone itself: its groups are sets of phones."""

    column: Literal["label"] = Field(description="the phone label of each frame")
    groups: Literal["single"] | dict[str, list[str]] = Field(
        description="`single` (39 groups of one phone), or named lists of phones"
    )

    @field_validator("groups")
    @classmethod
    def _phones(cls, value: object) -> object:
        found = group_problems(value) if isinstance(value, dict) else ""
        if found:
            raise ValueError(f"expected named groups of ARPABET phones, each phone in one group; found {found}")
        return value


class F0Property(Section):
    """A property of the frame's F0, cut into ranges at `analysis.pitch_cuts`."""

    column: Literal["f0"] = Field(description="the F0 of each frame")
    names: tuple[str, str, str] = Field(default=("low", "middle", "high"), description="names of the three ranges")

    @field_validator("names")
    @classmethod
    def _distinct(cls, value: tuple[str, str, str]) -> tuple[str, str, str]:
        if len(set(value)) != len(value):
            raise ValueError(f"three different names, found {list(value)}")
        return value


class DurationProperty(Section):
    """A property of the run's duration."""

    column: Literal["duration"] = Field(description="the duration of the run a frame belongs to")
    edges_ms: tuple[int, int] = Field(default=(60, 100), description="edges in ms; both belong to the middle group")

    @field_validator("edges_ms")
    @classmethod
    def _ascending(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not 0 < value[0] < value[1]:
            raise ValueError(f"two durations in ms, the shorter first, found {list(value)}")
        return value


class CategoryProperty(Section):
    """A property of the utterance: one group per value of the column."""

    column: Literal["gender", "speaker", "subset"] = Field(description="a column of the utterance table")
    order: list[str] | None = Field(default=None, description="the groups, in order (null: all values, sorted)")


Property = Annotated[PhoneProperty | F0Property | DurationProperty | CategoryProperty, Field(discriminator="column")]

DEFAULT_PROPERTIES = {
    "phone": PhoneProperty(column="label", groups={name: list(phones) for name, phones in PHONE_CLASSES.items()}),
    "single_phone": PhoneProperty(column="label", groups="single"),
    "gender": CategoryProperty(column="gender", order=["M", "F"]),
    "pitch": F0Property(column="f0"),
    "duration": DurationProperty(column="duration"),
}


class Embedding(Section):
    """Multidimensional scaling of the activation patterns."""

    seeds: list[int] = Field(
        default=[0, 1, 2, 3, 4], min_length=1, description="one MDS per seed; figures draw the first"
    )

    @model_validator(mode="after")
    def _distinct(self) -> "Embedding":
        if len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds must be distinct and not negative, found {self.seeds}")
        return self


class Figures(Section):
    """Which corpus and models the figures show."""

    corpus: Name = Field(description="the corpus of all figures")
    model: Name = Field(description="the model of Figures 2, 3, 4, 7 and 8")
    control: Name | None = Field(default=None, description="a control (the random twin) drawn quietly in Figures 4, 7")
    compare: Annotated[list[Name], Field(min_length=1)] | None = Field(
        default=None, description="models of Figure 5 (null: all models of the config)"
    )
    probability_phone: str = Field(default="AH", description="the phone of Figure 2")
    overlap_layer: int = Field(default=1, ge=1, description="the layer of Figure 8")

    @field_validator("probability_phone")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in PHONES:
            raise ValueError(f"expected one of the 39 ARPABET phones, found {value!r}")
        return value
