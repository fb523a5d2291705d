"""Configuration of the statistics of neuron sets: how far they can be believed."""

from typing import Literal

from pydantic import Field, field_validator

from property_neurons.config.section import Name, Section

CONFOUNDS = ("f0", "duration", "speaker", "gender", "subset")
DEFAULT_CONFOUNDS = {"gender": "f0", "pitch": "speaker", "phone": "duration"}


class Statistics(Section):
    """The null, stability and held-out selectivity of every set, and how sets treat rare cells."""

    permutations: int = Field(
        default=1000, ge=0, le=1_000_000, description="labellings dealt anew for the null (0: no null, no p, no q)"
    )
    seed: int = Field(default=0, ge=0, description="of permutations, halves and bootstraps")
    halves: int = Field(
        default=20,
        ge=0,
        le=1000,
        description="random splits of the speakers in two halves, for stability and selectivity on speakers not used",
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
        default=False, description="before sets are made, thin each phone's frames at random to as many in every group"
    )
    activation_values: bool = Field(
        default=False,
        description="the comparison of selectors has those of activation values too: the mean difference and the "
        "entropy over groups; the models of the figures run again, over `browser.minutes` of speech",
    )
    confounds: dict[Name, Name | None] = Field(
        default_factory=lambda: dict(DEFAULT_CONFOUNDS),
        description="what each property may be mistaken for: f0, duration, speaker, gender, subset, or a property of a "
        "column of the utterances: the figure `confounds` shows what stays of its sets where "
        "that is the same; those given here are added to, or replace, these three (null: none)",
    )

    @field_validator("confounds", mode="before")
    @classmethod
    def _keep_those_of_the_defaults(cls, value: object) -> object:
        return DEFAULT_CONFOUNDS | value if isinstance(value, dict) else value
