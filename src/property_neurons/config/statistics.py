"""Configuration of the statistics of neuron sets: how far they can be believed."""

from typing import Literal

from pydantic import Field, field_validator

from property_neurons.config.section import Name, Section

CONFOUNDS = ("f0", "duration", "speaker", "gender", "subset")
DEFAULT_CONFOUNDS = {"gender": "f0", "pitch": "speaker", "phone": "duration"}


class Statistics(Section):
    """The null, stability and held-out selectivity of every set, and how sets treat rare cells."""

    permutations: int = Field(
        default=1000, ge=0, le=1_000_000, description="number of dealt labellings for the null (0: no null, no p, no q)"
    )
    seed: int = Field(default=0, ge=0, description="of permutations, halves and bootstraps")
    halves: int = Field(
        default=20,
        ge=0,
        le=1000,
        description="random splits of the speakers in two halves, for stability and held-out selectivity",
    )
    fdr: float | None = Field(
        default=None, gt=0, lt=1, description="leave neurons with q above this out of the sets (null: as in the paper)"
    )
    cells: Literal["point", "lower_bound"] = Field(
        default="point",
        description="what must exceed the threshold: a cell's share of frames, or the lower end of its 95 % interval",
    )
    rare_cells: Literal["keep", "drop"] = Field(
        default="keep",
        description="cells below `analysis.min_count` stay among a group's phones, with an empty pattern, or are left "
        "out",
    )
    balance: bool = Field(
        default=False,
        description="thin each phone's frames at random to as many in every group, before sets are made; with dealt "
        "labels, too",
    )
    activation_values: bool = Field(
        default=False,
        description="compare selectors of activation values, too: the mean difference and the entropy over groups; the "
        "models of the figures run again, over `browser.minutes` of speech",
    )
    confounds: dict[Name, Name | None] = Field(
        default_factory=lambda: dict(DEFAULT_CONFOUNDS),
        description="the confound of each property: f0, duration, speaker, gender, subset, or any property but one "
        "of phones alone. The figure `confounds` shows the neurons that stay with the confound held fixed. Entries "
        "here are added to, or replace, these three (null: none, of one or of all)",
    )

    @property
    def given(self) -> dict[str, str]:
        """The confound of each property that has one."""
        return {name: confound for name, confound in self.confounds.items() if confound is not None}

    @field_validator("confounds", mode="before")
    @classmethod
    def _keep_those_of_the_defaults(cls, value: object) -> object:
        if value is None:
            return dict.fromkeys(DEFAULT_CONFOUNDS)
        return DEFAULT_CONFOUNDS | value if isinstance(value, dict) else value
