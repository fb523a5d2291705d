"""Words of pruning that the config, the library and figures share; nothing is imported here."""

from typing import Literal

Criterion = Literal["protect", "norm", "frequency", "random", "random_protect"]
"""In which order neurons go; see `prune.Cut`."""
Match = Literal["per_layer", "uniform", "global"]
"""What of the sizes of the layers is kept to; see `selection.select`."""
RandomSets = Literal["matched", "size"]
"""What random sets have in common with the sets that they are held against, beside layer and number."""

ARMS = ("unpruned", "fine_tuned", "protect", "norm", "frequency", "random_protect", "random")
"""What a study holds against what, in the order of tables and figures."""
UNCUT = ("unpruned", "fine_tuned")
"""The arms that keep every neuron."""
