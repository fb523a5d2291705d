"""The places in a model where neurons are ranked, and how many neurons count as active there."""

from dataclasses import dataclass

from property_neurons.errors import CountingError

FRAMES_OFF = 2
"""Labels may be a frame off HuBERT's number of frames, and the frames of another model too."""


@dataclass(frozen=True)
class Site:
    """A place where neurons were ranked: Transformer block (from 1), name ("3", or "3.1"), number of neurons."""

    layer: int
    name: str
    width: int


def active_neurons(lambda_: float, width: int) -> int:
    """tau: how many of `width` neurons count as active in a frame (section 3.1)."""
    return max(1, round(lambda_ * width))


def check_rows(site: Site, expected: int, found: int) -> None:
    """Check that a model gave a site's activations for as many rows as its front end says.

    Raises:
        CountingError: the number of rows differs.
    """
    if found != expected:
        raise CountingError(
            f"layer {site.layer} (site {site.name}): expected {expected} rows of activations, found {found}; "
            "the model's front end and its frame arithmetic disagree"
        )
