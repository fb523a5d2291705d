"""What is clustered, and the number of no cluster."""

from typing import Literal

Of = Literal["frames", "utterances"]
NONE = -1
