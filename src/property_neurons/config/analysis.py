"""Configuration of what is counted, and of the definition of patterns and groups (method.md, section 1)."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from property_neurons.config.section import Section

# Where the paper's text and its authors' code part. The defaults of `Analysis` follow the text; these follow the code.
_PUBLISHED = {
    "frames": "segment_mid",
    "last_run": "drop",
    "equal_neighbours": "merge",
    "threshold": "tau_over_width",
    "pitch_cuts": "percentiles_33_66",
    "at_lower_cut": "omit",
    "f0_padding": "front",
    "pitch_phones": "all",
}


_QUOTIENT = r"^\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*$"


def _divided(value: object) -> object:
    """The number that a quotient stands for: "16000/120" is 133.3333..., which no decimal number says exactly."""
    found = re.match(_QUOTIENT, value) if isinstance(value, str) else None
    if found is None or not float(found[2]):
        return value
    return float(found[1]) / float(found[2])


Hertz = Annotated[
    float,
    BeforeValidator(_divided),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": _QUOTIENT}]}),
]


def _option(default: str, meaning: str, key: str) -> Any:
    return Field(default=default, description=f"{meaning} (`published`: `{_PUBLISHED[key]}`)")


class Analysis(Section):
    """The definition of activation, pattern and neuron set; `preset` says what unset options are."""

    preset: Literal["clean", "published"] = Field(
        default="clean", description="`clean`: the definitions; `published`: as the published numbers were made"
    )
    lambda_: float = Field(
        default=0.01, alias="lambda", gt=0, le=0.5, description="share of neurons that count as active in a frame"
    )
    sigma: float = Field(default=0.8, gt=0, le=1, description="share of a group's phones a group neuron must serve")
    min_count: int = Field(default=0, ge=0, description="cells with fewer frames get an empty pattern")
    frames: Literal["every", "segment_mid"] = _option(
        "every", "count every frame, or the middle frame of each run", "frames"
    )
    last_run: Literal["keep", "drop"] = _option("keep", "keep or drop an utterance's last run", "last_run")
    equal_neighbours: Literal["separate", "merge"] = _option(
        "separate", "adjacent segments of one phone: two runs or one", "equal_neighbours"
    )
    threshold: Literal["lambda", "tau_over_width"] = _option(
        "lambda", "a neuron is in the pattern above lambda, or above tau / width", "threshold"
    )
    pitch_cuts: Literal["tertiles", "percentiles_33_66"] | tuple[Hertz, Hertz] = _option(
        "tertiles",
        "cuts between low, middle and high pitch: of all voiced F0, or two values in Hz, as numbers or as quotients "
        "such as `[16000/120, 16000/85]`",
        "pitch_cuts",
    )
    at_lower_cut: Literal["lower_bin", "omit"] = _option(
        "lower_bin", "a frame whose F0 equals the lower cut", "at_lower_cut"
    )
    f0_padding: Literal["end", "front"] = _option(
        "end", "where an F0 track shorter than the labels is padded", "f0_padding"
    )
    pitch_phones: Literal["voiced", "all"] = _option("voiced", "phones that make up the pitch groups", "pitch_phones")

    @model_validator(mode="before")
    @classmethod
    def _follow_the_preset(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        # `null` stands for what the preset says.
        own = {key: value for key, value in data.items() if value is not None or key not in _PUBLISHED}
        return _PUBLISHED | own if data.get("preset") == "published" else own

    @field_validator("pitch_cuts")
    @classmethod
    def _ascending(cls, value: object) -> object:
        if isinstance(value, tuple) and not 0 < value[0] < value[1]:
            raise ValueError(f"two values in Hz, the lower first and above 0, found {list(value)}")
        return value
