"""Words of editing that the config, the library and figures share; nothing is imported here."""

from typing import Literal

Action = Literal["zero", "mean", "clamp", "scale"]
"""What is done to neurons; see `saved.Edit`."""

ALL = "all"
"""The part of every test utterance."""
