"""Configuration of properties: what divides frames into groups."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema, field_validator, model_validator

from property_neurons.config.section import GroupNames, Name, OutsidePath, Section, SubsetPath, distinct_names
from property_neurons.corpus.phone_sets import PHONE_SETS, PhoneSet, phone_groups
from property_neurons.corpus.phones import PHONE_CLASSES, group_problems
from property_neurons.corpus.tracks import Track

_RESERVED = ("label", "f0", "duration")


def _ascending(value: Any) -> Any:
    if isinstance(value, tuple) and (not value or any(low >= high for low, high in itertools.pairwise(value))):
        raise ValueError(f"`tertiles`, or values that ascend, found {list(value)}")
    return value


def distinct_labels(groups: dict[str, list[str]]) -> dict[str, list[str]]:
    """Named groups of labels, unless one is empty or a label is in two."""
    listed = [label for labels in groups.values() for label in labels]
    twice = sorted({label for label in listed if listed.count(label) > 1})
    empty = [group for group, labels in groups.items() if not labels]
    if twice or empty or not groups:
        raise ValueError(
            f"expected named groups of labels, each label in one; found in two: {', '.join(twice) or 'none'}; empty: "
            f"{', '.join(empty) or 'none'}"
        )
    distinct_names(list(groups))
    return groups


Cuts = Annotated[Literal["tertiles"] | tuple[float, ...], AfterValidator(_ascending)]
By = Annotated[
    str,
    Field(
        description="the cells of a group: `phone`, one for each phone, as in the paper; `none`, a single one; or the "
        "name of `clusters` of frames, one for each of these, in place of phones"
    ),
]
Within = Annotated[
    Literal["corpus", "speaker"],
    Field(description="what is cut: the numbers, or their differences from the median of their speaker"),
]


class PhoneProperty(Section):
    """A property of the phone itself: its groups are sets of phones."""

    column: Literal["label"] = Field(description="the phone label of each frame")
    groups: Literal["single", "classes"] | dict[str, list[str]] = Field(
        description="`single` (a group for each phone), `classes` (those of the corpus's `phones`), or named lists of "
        "phones"
    )

    @field_validator("groups")
    @classmethod
    def _phones(cls, value: object) -> object:
        found = group_problems(value, None) if isinstance(value, dict) else ""
        if found:
            raise ValueError(f"expected named groups of phones, each phone in one group; found {found}")
        return value


class PhoneSetProperty(Section):
    """A ready-made set of groups of phones, from a table of articulatory features (docs/properties.md)."""

    set: PhoneSet = Field(description="a feature of the table; every one is a property of that name already")

    @property
    def groups(self) -> dict[str, list[str]]:
        """Phones by group."""
        return phone_groups(self.set)


class F0Property(Section):
    """A property of the frame's F0, cut into ranges at `analysis.pitch_cuts`."""

    column: Literal["f0"] = Field(description="the F0 of each frame")
    within: Literal["corpus", "speaker"] = Field(
        default="corpus",
        description="what is cut: F0 itself, or F0 in semitones from its speaker's median (at tertiles where "
        "`analysis.pitch_cuts` are two values in Hz)",
    )
    cuts: Annotated[Literal["tertiles"] | tuple[float, float], AfterValidator(_ascending)] | None = Field(
        default=None, description="two values in Hz, or in semitones within the speaker (null: `analysis.pitch_cuts`)"
    )
    names: Annotated[tuple[str, str, str], AfterValidator(distinct_names)] = Field(
        default=("low", "middle", "high"), description="names of the three ranges"
    )
    by: By = "phone"


class DurationProperty(Section):
    """A property of the run's duration."""

    column: Literal["duration"] = Field(description="the duration of the run a frame belongs to")
    edges_ms: tuple[int, int] = Field(default=(60, 100), description="edges in ms; both belong to the middle group")
    by: By = "phone"

    @field_validator("edges_ms")
    @classmethod
    def _ascending(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not 0 < value[0] < value[1]:
            raise ValueError(f"two durations in ms, the shorter first, found {list(value)}")
        return value


class _Numbers(Section):
    within: Within = "corpus"
    names: GroupNames | None = Field(
        default=None, description="names of the ranges, from the lowest (null: low, middle, high, or the values)"
    )
    by: By = "phone"

    @model_validator(mode="after")
    def _one_name_for_each_range(self) -> Any:
        cuts = getattr(self, "cuts", None)
        ranges = 3 if cuts == "tertiles" else len(cuts or ()) + 1
        if self.names is not None and len(self.names) != ranges:
            raise ValueError(f"{ranges} ranges need as many `names`, found {len(self.names)}")
        return self


class ColumnProperty(_Numbers):
    """A property of the utterance, or of its speaker: one group per value of a column, or ranges of its numbers."""

    column: Annotated[str, WithJsonSchema({"type": "string", "not": {"enum": list(_RESERVED)}})] = Field(
        min_length=1, description="a column of the utterance table: gender, speaker, subset, or one of your own"
    )
    order: GroupNames | None = Field(default=None, description="the groups, in order (null: all values, sorted)")
    cuts: Cuts | None = Field(
        default=None, description="the column holds numbers: `tertiles`, or the values between ranges (null: names)"
    )

    @model_validator(mode="after")
    def _names_or_numbers(self) -> Any:
        if self.cuts is None and (self.within != "corpus" or self.names is not None):
            raise ValueError("`within` and `names` go with `cuts`: give `cuts: tertiles`, or leave them out")
        if self.cuts is not None and self.order is not None:
            raise ValueError("`order` is of names and `cuts` of numbers; leave one out")
        return self


class TrackProperty(_Numbers):
    """A property of the frame that the project measures, cut into ranges (docs/properties.md says how)."""

    track: Track = Field(description="what is measured")
    cuts: Cuts = Field(default="tertiles", description="`tertiles` of all frames but silence, or values between ranges")


_Groups = Annotated[dict[str, list[str]] | None, AfterValidator(lambda value: value and distinct_labels(value))]


class MarkProperty(Section):
    """A property of what a phone's label says beside the phone: the stress of `AH0`, or a tone."""

    marks: _Groups = Field(description="marks by group, such as `{unstressed: ['0'], primary: ['1']}` (null: all)")
    dictionary: OutsidePath | None = Field(
        default=None,
        description="stress by this pronunciation dictionary (CMUdict) and the transcripts, where labels have none",
    )
    by: By = "phone"


class TierProperty(Section):
    """A property of the intervals of a tier: words, prosodic breaks, or what you have annotated."""

    tier: str = Field(min_length=1, description="a tier of TextGrids")
    path: SubsetPath | None = Field(
        default=None, description="folder of TextGrids named after utterances (null: the corpus's alignments)"
    )
    groups: _Groups = Field(default=None, description="labels by group (null: all labels, each a group)")
    by: By = "phone"


class IntervalProperty(Section):
    """A property of the intervals of a table."""

    intervals: OutsidePath = Field(description="a .tsv of utterance, start, end (seconds) and label")
    groups: _Groups = Field(default=None, description="labels by group (null: all labels, each a group)")
    by: By = "phone"


class WordProperty(_Numbers):
    """A property of the word that a frame lies in, cut into ranges."""

    words: Literal["frequency", "position"] = Field(
        description="log10 of how often the word occurs in the corpus, or where in the word a frame lies, 0 to 1"
    )
    tier: str = Field(default="words", min_length=1, description="the tier of words of the corpus's TextGrids")
    dictionary: OutsidePath | None = Field(
        default=None, description="find words by this pronunciation dictionary (CMUdict) and the transcripts instead"
    )
    cuts: Cuts = Field(default="tertiles", description="`tertiles` of all frames in words, or values between ranges")


class ClusterProperty(Section):
    """A property of the cluster that a frame, or its utterance, falls into: no labels are needed."""

    clusters: Name = Field(description="a name under `clusters`")
    groups: _Groups = Field(default=None, description="clusters by group, `c00` and so on (null: each a group)")
    by: By = "none"


_KEYS = ("set", "clusters", "track", "marks", "words", "tier", "intervals")


def _kind(value: Any) -> str:
    """The tag of a property's section, by the key that says where its labels come from."""
    given = value if isinstance(value, dict) else value.__dict__ if isinstance(value, Section) else {}
    key = next((key for key in _KEYS if key in given), None)
    return key or (given.get("column") if given.get("column") in _RESERVED else "column")


Property = Annotated[
    Annotated[PhoneProperty, Tag("label")]
    | Annotated[F0Property, Tag("f0")]
    | Annotated[DurationProperty, Tag("duration")]
    | Annotated[ColumnProperty, Tag("column")]
    | Annotated[PhoneSetProperty, Tag("set")]
    | Annotated[ClusterProperty, Tag("clusters")]
    | Annotated[TrackProperty, Tag("track")]
    | Annotated[MarkProperty, Tag("marks")]
    | Annotated[WordProperty, Tag("words")]
    | Annotated[TierProperty, Tag("tier")]
    | Annotated[IntervalProperty, Tag("intervals")],
    Discriminator(_kind),
]

PAPER_PROPERTIES = {
    "phone": PhoneProperty(column="label", groups={name: list(phones) for name, phones in PHONE_CLASSES.items()}),
    "single_phone": PhoneProperty(column="label", groups="single"),
    "gender": ColumnProperty(column="gender", order=["M", "F"]),
    "pitch": F0Property(column="f0"),
    "duration": DurationProperty(column="duration"),
}
READY_MADE = {name: PhoneSetProperty(set=name) for name in PHONE_SETS} | {
    "stress": MarkProperty(marks={"unstressed": ["0"], "primary": ["1"], "secondary": ["2"]}),
    "word_frequency": WordProperty(words="frequency"),
    "word_position": WordProperty(words="position"),
}
DEFAULT_PROPERTIES = PAPER_PROPERTIES | READY_MADE


def source_of(section: Property) -> str:
    """The source of a property's labels: "label", "f0", "duration", the name of a column or of a track."""
    if isinstance(section, PhoneSetProperty):
        return "label"
    if isinstance(section, MarkProperty):
        return "marks"
    if isinstance(section, ClusterProperty):
        return "clusters"
    return next(getattr(section, key) for key in ("column", *_KEYS) if hasattr(section, key))


def may_confound(section: Property) -> bool:
    """Whether other properties can be compared where this one is the same, by its name.

    Every phone is compared with itself alone; F0 and durations are confounds under their own names.
    """
    return not isinstance(section, PhoneProperty | PhoneSetProperty | F0Property | DurationProperty)


def of_cells_of_phones(section: Property) -> bool:
    """Whether a property has the corpus's phones, or none, and no clusters in their place."""
    return getattr(section, "by", "phone") in ("phone", "none")


def frequency_property(names: Iterable[str], properties: Mapping[str, Property]) -> str | None:
    """The first of the named properties that counts every frame; pitch counts voiced frames alone."""
    known = (name for name in names if name in properties)
    return next((name for name in known if _holds_every_frame(properties[name])), None)


def _holds_every_frame(section: Property) -> bool:
    if source_of(section) == "label":
        return True
    every = ("duration", "gender", "speaker", "subset")
    return (
        isinstance(section, DurationProperty | ColumnProperty) and section.by == "phone" and source_of(section) in every
    )
