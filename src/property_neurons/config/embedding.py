"""Configuration of the plane that activation patterns are shown in."""

from pydantic import Field, model_validator

from property_neurons.config.section import Section


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
