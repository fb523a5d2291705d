"""Configuration of the neuron browser."""

from typing import Annotated, Literal

from pydantic import Field

from property_neurons.config.section import Name, Names, Section


class Browser(Section):
    """Pages that show, and let one hear, what each neuron reacts to (docs/browser.md)."""

    minutes: float | None = Field(
        default=30,
        gt=0,
        description="speech whose activation values are kept, spread over the speakers: examples, histograms and "
        "sounds come from it (null: all; a minute takes 17 MB for 6 layers of 768 neurons)",
    )
    properties: Annotated[Names, Field(min_length=1)] | None = Field(
        default=None,
        description="the properties to show (null: the paper's and those that the config defines, but none with "
        "clusters in place of phones; ready-made ones, such as `manner`, by name alone); a property with many groups, "
        "such as `speaker`, takes minutes",
    )
    neurons: Literal["property", "all"] = Field(
        default="property", description="which neurons have a page: property neurons and some at random, or all"
    )
    random: int = Field(default=50, ge=0, description="random neurons of each layer that have a page, too")
    audio: Literal["utterances", "clips", "none"] = Field(
        default="utterances",
        description="sounds: whole utterances, half a second around each example, or none",
    )
    seed: int = Field(default=0, ge=0, description="of random neurons and random examples")
    max_layer_mb: float = Field(default=2, gt=0, description="refuse to make pages with more data than this in a layer")
    max_mb: float = Field(default=100, gt=0, description="refuse to make a folder larger than this")
    derived: Names = Field(
        default_factory=list,
        description="pruned or edited models, of `models` or of a study: the pages of the original model say what was "
        "done to each of its neurons",
    )
    erasure: Names = Field(
        default_factory=list,
        description="studies of the section `erasure`: their model's pages say whom erasing a neuron's set harmed",
    )
    licences: dict[Name, str] = Field(
        default_factory=dict, description="for each corpus, its name and licence, as the pages state them"
    )
