"""Words of statistics that the config, the library and figures share; nothing is imported here."""

from typing import Literal

SELECTORS = ("activation_probability", "entropy", "mean_difference", "contrast", "average_precision", "probeless")
"""Other studies' ways of choosing a group's neurons; see `selectors.SELECTORS`."""
VALUE_SELECTORS = ("value_difference", "value_entropy", "value_entropy_1_percent")
"""Those that need the sizes of activations, which ranks do not hold; see `selectors.of_values`."""
PAPER, RANDOM = "paper", "random"
"""Beside the selectors: the sets of equations 3 to 5 themselves, and as many neurons at random."""

SelectorName = Literal[(*SELECTORS, *VALUE_SELECTORS)]
