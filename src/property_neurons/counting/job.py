"""The arguments that all counting jobs share: the shards, the property and the sampling of frames."""

from collections.abc import Collection, Sequence
from typing import Any

from property_neurons.corpus.frame_values import FrameFiles
from property_neurons.corpus.gate import let_through
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling
from property_neurons.stores.manifests import store_path


def counting_arguments(
    job: Any, *, keep: Collection[tuple[str, str]] | None = None, corpus: str | None = None
) -> dict[str, Any]:
    """The arguments of `count_activations` and `count_units`, from the `snakemake` object of a script.

    Args:
        keep: the (subset, utterance) pairs to count; None = all that the corpus's gate lets through.
        corpus: what the counts say they are of; None = the job's corpus.

    Raises:
        StoreError: the corpus's tables are not as they were written.
    """
    keep = let_through(job.input.checked) if keep is None else keep
    counting = dict(job.params.counting)
    lambda_ = counting.pop("lambda_")
    frames = frame_files(job.input.frames, job.input.get("values", []), job.input.get("units", []))
    return {
        "shards": [(store_path(ranks), files) for ranks, files in zip(job.input.ranks, frames, strict=True)],
        "property_": make_property(job.wildcards.property, **job.params.property),
        "sampling": Sampling(**counting),
        "lambda_": lambda_,
        "corpus": corpus or job.wildcards.corpus,
        "output": job.output.store,
        "keep": keep,
    }


def frame_files(frames: Sequence[str], values: Sequence[str], units: Sequence[str]) -> list[FrameFiles]:
    """The frame stores of a corpus with what a property reads beside them, from manifests; see `FrameFiles`.

    Args:
        values, units: none, or one for each of `frames`.
    """
    beside = [[store_path(one) for one in manifests] or [None] * len(frames) for manifests in (values, units)]
    return [FrameFiles(store_path(store), *own) for store, *own in zip(frames, *beside, strict=True)]
