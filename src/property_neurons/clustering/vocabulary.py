"""What can be clustered, and the number that stands for "no cluster"."""

from typing import Literal

Of = Literal["frames", "utterances", "speakers"]
NONE = -1
