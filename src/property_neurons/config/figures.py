"""Configuration of what the figures show."""

from typing import Annotated

from pydantic import Field

from property_neurons.config.section import Name, Names, Section


class Figures(Section):
    """Which corpus and models the figures show."""

    corpus: Name = Field(description="the corpus of all figures")
    model: Name = Field(description="the model of Figures 2, 3, 4, 7, 8 and stability")
    control: Name | None = Field(default=None, description="the control model, drawn in grey beside the model")
    properties: Annotated[Names, Field(min_length=1, max_length=6)] | None = Field(
        default=None,
        description="properties of Figures 3, 4, 5, 7, stability and selectors (null: the paper's)",
    )
    overlap: Annotated[Names, Field(min_length=2, max_length=4)] | None = Field(
        default=None, description="two to four properties of Figure 8 (null: phone, gender and pitch)"
    )
    compare: Annotated[Names, Field(min_length=1)] | None = Field(
        default=None, description="models of Figure 5 (null: all models of the config)"
    )
    probability_phone: str = Field(default="AH", description="the phone of Figure 2")
    overlap_layer: int = Field(default=1, ge=1, description="the layer of Figure 8")
    overlap_fdr: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="show only neurons with q at or below this in Figure 8 (null: all of the sets)",
    )

    @property
    def plane_properties(self) -> list[str]:
        """The properties of Figures 3 and 5."""
        return self.properties or ["phone", "gender", "pitch"]

    @property
    def layer_properties(self) -> list[str]:
        """The properties of Figures 4, 7, stability and selectors."""
        return self.properties or ["phone", "gender", "pitch", "duration"]

    @property
    def overlap_properties(self) -> list[str]:
        """The properties of Figure 8."""
        return self.overlap or ["phone", "gender", "pitch"]
