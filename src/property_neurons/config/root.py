"""The whole configuration, and the contradictions that only show across its sections."""

from typing import Literal

from pydantic import Field, model_validator

from property_neurons.config.analysis import (
    DEFAULT_PROPERTIES,
    Analysis,
    Embedding,
    Figures,
    Property,
    Ranks,
)
from property_neurons.config.corpora import Corpus
from property_neurons.config.models import Model, PretrainedModel, PrunedModel, RandomTwinModel
from property_neurons.config.pretraining import Pretraining
from property_neurons.config.section import Name, Section


class Config(Section):
    """The configuration of property-neurons."""

    data_root: str = Field(default="data", description="folder that the corpora's relative paths start from")
    results: str = Field(default="results", min_length=1, description="folder that everything is made in")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="where models run; `cuda` asks for `gpu=1` a job")
    corpora: dict[Name, Corpus] = Field(min_length=1, description="corpora by name")
    models: dict[Name, Model] = Field(min_length=1, description="models by name")
    properties: dict[Name, Property] = Field(
        default_factory=lambda: dict(DEFAULT_PROPERTIES),
        description="properties by name; those given here are added to, or replace, the five of the paper",
    )
    pretraining: dict[Name, Pretraining] = Field(default_factory=dict, description="MelHuBERT models to train, by name")
    ranks: Ranks = Field(default_factory=Ranks, description="what one pass of a model keeps")
    analysis: Analysis = Field(default_factory=Analysis, description="definitions and options of the method")
    embedding: Embedding = Field(default_factory=Embedding, description="multidimensional scaling")
    figures: Figures = Field(description="which corpus and models the figures show")

    @model_validator(mode="before")
    @classmethod
    def _keep_the_papers_properties(cls, data: object) -> object:
        if isinstance(data, dict) and isinstance(data.get("properties"), dict):
            return data | {"properties": DEFAULT_PROPERTIES | data["properties"]}
        return data

    @model_validator(mode="after")
    def _fits_together(self) -> "Config":
        problems = [
            *self._unknown_names(),
            *self._twin_problems(),
            *self._pruning_problems(),
            *self._pretraining_problems(),
            *self._analysis_problems(),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _unknown_names(self) -> list[str]:
        wanted = [
            ("figures.corpus", self.figures.corpus, self.corpora),
            ("figures.model", self.figures.model, self.models),
            *(("figures.compare", name, self.models) for name in self.figures.compare or []),
            *((f"pretraining.{name}.corpus", run.corpus, self.corpora) for name, run in self.pretraining.items()),
        ]
        if self.figures.control is not None:
            wanted.append(("figures.control", self.figures.control, self.models))
        return [
            f"{key}: {name!r} is not defined; defined are {', '.join(known)}"
            for key, name, known in wanted
            if name not in known
        ]

    def _twin_problems(self) -> list[str]:
        problems = []
        for name, model in self.models.items():
            if not isinstance(model, RandomTwinModel):
                continue
            original = self.models.get(model.of)
            if original is None:
                problems.append(f"models.{name}.of: {model.of!r} is not defined; defined are {', '.join(self.models)}")
            elif isinstance(original, RandomTwinModel):
                problems.append(f"models.{name}.of: {model.of!r} is a random twin itself; name the original")
        return problems

    def _pruning_problems(self) -> list[str]:
        problems = []
        for name, model in self.models.items():
            if not isinstance(model, PrunedModel):
                continue
            wanted = [
                ("of", model.of, self.models),
                *(("properties", one, self.properties) for one in model.properties),
            ]
            if model.corpus is not None:
                wanted.append(("corpus", model.corpus, self.corpora))
            problems += [
                f"models.{name}.{key}: {value!r} is not defined; defined are {', '.join(known)}"
                for key, value, known in wanted
                if value not in known
            ]
            if name in self._ancestors(name):
                problems.append(f"models.{name}.of: leads back to {name!r} itself; name another model")
            if model.criterion == "frequency" and model.frequency_property(self.properties) is None:
                problems.append(
                    f"models.{name}.properties: `frequency` needs one that counts every frame, found "
                    f"{', '.join(model.properties)}; add gender or phone"
                )
        return problems

    def _ancestors(self, name: str) -> list[str]:
        """The models that a model is made of, each once."""
        found: list[str] = []
        while (of := getattr(self.models.get(name), "of", None)) is not None and of not in found:
            found.append(of)
            name = of
        return found

    def _pretraining_problems(self) -> list[str]:
        problems = []
        for name, model in self.models.items():
            if not isinstance(model, PretrainedModel):
                continue
            run = self.pretraining.get(model.run)
            if run is None:
                defined = ", ".join(self.pretraining) or "none"
                problems.append(
                    f"models.{name}.run: {model.run!r} is not defined; under pretraining there is {defined}"
                )
            elif model.stage is not None and model.stage > len(run.stages):
                problems.append(f"models.{name}.stage: {model.run!r} has {len(run.stages)} stages, found {model.stage}")
        return problems

    def _analysis_problems(self) -> list[str]:
        problems = []
        if self.analysis.lambda_ > self.ranks.lambda_max:
            problems.append(
                f"analysis.lambda: {self.analysis.lambda_} is above ranks.lambda_max ({self.ranks.lambda_max}), so the "
                "ranks kept are too few; raise ranks.lambda_max (the models run again) or lower lambda"
            )
        options = self.analysis.resolved()
        if self.ranks.frames == "segment_mid" and options.frames == "every":
            problems.append(
                "analysis.frames: `every` needs ranks of every frame, but ranks.frames is `segment_mid`; "
                "set ranks.frames: all, or analysis.frames: segment_mid"
            )
        corpus = self.corpora.get(self.figures.corpus)
        if corpus is not None and corpus.pitch.method == "none":
            problems.append(
                f"corpora.{self.figures.corpus}.pitch.method: the figures show pitch, so `none` will not do; "
                "choose yaapt, praat, pyin or bins"
            )
        return problems
