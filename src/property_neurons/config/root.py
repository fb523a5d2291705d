"""The whole configuration."""

from typing import Literal

from pydantic import Field, model_validator

from property_neurons.config.analysis import Analysis
from property_neurons.config.browser import Browser
from property_neurons.config.clusters import Clusters
from property_neurons.config.corpora import Corpus
from property_neurons.config.embedding import Embedding
from property_neurons.config.erasure import Erasure
from property_neurons.config.figures import Figures
from property_neurons.config.models import Model
from property_neurons.config.pretraining import Pretraining
from property_neurons.config.properties import DEFAULT_PROPERTIES, Property
from property_neurons.config.pruning import Pruning
from property_neurons.config.ranks import Ranks
from property_neurons.config.section import Name, OutsidePath, ResultsPath, Section
from property_neurons.config.splits import Split
from property_neurons.config.statistics import Statistics
from property_neurons.config.tasks import Task


class Config(Section):
    """The configuration of property-neurons."""

    data_root: OutsidePath = Field(default="data", description="folder that the corpora's relative paths start from")
    results: ResultsPath = Field(default="results", min_length=1, description="folder that everything is made in")
    cache: OutsidePath | None = Field(
        default=None,
        min_length=1,
        description=(
            "folder that working directories share: ranks and trainings are taken from it before they are made, and "
            "published to it after (docs/caching.md); changing it runs nothing again"
        ),
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto",
        description="where models run: `auto`: on a GPU if there is one; `cuda`: or fail; both ask for `gpu=1` a job",
    )
    corpora: dict[Name, Corpus] = Field(min_length=1, description="corpora by name")
    models: dict[Name, Model] = Field(min_length=1, description="models by name")
    properties: dict[Name, Property] = Field(
        default_factory=lambda: dict(DEFAULT_PROPERTIES),
        description="properties by name; those given here are added to, or replace, the five of the paper and the "
        "ready-made ones (docs/properties.md)",
    )
    clusters: dict[Name, Clusters] = Field(
        default_factory=dict, description="groups that speech falls into by itself, by name, for properties"
    )
    pretraining: dict[Name, Pretraining] = Field(default_factory=dict, description="MelHuBERT models to train, by name")
    splits: dict[Name, Split] = Field(default_factory=dict, description="who is trained and tested on, by name")
    tasks: dict[Name, Task] = Field(default_factory=dict, description="tasks, by name")
    pruning: Pruning = Field(default_factory=Pruning, description="the pruning studies of Figures 6 and 9")
    erasure: dict[Name, Erasure] = Field(
        default_factory=dict,
        description="erasure studies by name, which names their figure and table: `table1` makes tables/table1.tsv",
    )
    ranks: Ranks = Field(default_factory=Ranks, description="what one pass of a model keeps")
    analysis: Analysis = Field(default_factory=Analysis, description="definitions and options of the method")
    statistics: Statistics = Field(
        default_factory=Statistics, description="how far neuron sets can be believed (docs/statistics.md)"
    )
    embedding: Embedding = Field(default_factory=Embedding, description="multidimensional scaling")
    figures: Figures = Field(description="which corpus and models the figures show")
    browser: Browser = Field(default_factory=Browser, description="the neuron browser (docs/browser.md)")

    @model_validator(mode="before")
    @classmethod
    def _keep_the_papers_properties(cls, data: object) -> object:
        if isinstance(data, dict) and isinstance(data.get("properties"), dict):
            return data | {"properties": DEFAULT_PROPERTIES | data["properties"]}
        return data
