"""Configuration of the plane that activation patterns are shown in."""

from pydantic import Field

from property_neurons.config.section import Section, Seeds


class Embedding(Section):
    """Multidimensional scaling of the activation patterns."""

    seeds: Seeds = Field(default=[0, 1, 2, 3, 4], description="one MDS per seed; figures draw the first")
