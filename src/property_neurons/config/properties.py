"""Configuration of properties: what divides frames into groups."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from property_neurons.config.section import GroupNames, Section, distinct_names
from property_neurons.corpus.phones import PHONE_CLASSES, group_problems


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
    within: Literal["corpus", "speaker"] = Field(
        default="corpus",
        description="what is cut: F0 itself, or F0 in semitones from its speaker's median (at tertiles where "
        "`analysis.pitch_cuts` are two values in Hz)",
    )
    names: Annotated[tuple[str, str, str], AfterValidator(distinct_names)] = Field(
        default=("low", "middle", "high"), description="names of the three ranges"
    )


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
    order: GroupNames | None = Field(default=None, description="the groups, in order (null: all values, sorted)")


Property = Annotated[PhoneProperty | F0Property | DurationProperty | CategoryProperty, Field(discriminator="column")]

DEFAULT_PROPERTIES = {
    "phone": PhoneProperty(column="label", groups={name: list(phones) for name, phones in PHONE_CLASSES.items()}),
    "single_phone": PhoneProperty(column="label", groups="single"),
    "gender": CategoryProperty(column="gender", order=["M", "F"]),
    "pitch": F0Property(column="f0"),
    "duration": DurationProperty(column="duration"),
}


def frequency_property(names: Iterable[str], properties: Mapping[str, Property]) -> str | None:
    """The first of the named properties whose counts hold every frame; pitch has voiced ones alone."""
    known = (name for name in names if name in properties)
    return next((name for name in known if not isinstance(properties[name], F0Property)), None)
