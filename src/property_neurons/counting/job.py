"""What the jobs that count have in common: the shards, the property and the rule of frames."""

from collections.abc import Collection
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
    beside = {
        name: [store_path(manifest) for manifest in job.input.get(name, [])] or [None] * len(job.input.frames)
        for name in ("values", "units")
    }
    return {
        "shards": [
            (store_path(ranks), FrameFiles(store_path(frames), values, units))
            for ranks, frames, values, units in zip(
                job.input.ranks, job.input.frames, beside["values"], beside["units"], strict=True
            )
        ],
        "property_": make_property(job.wildcards.property, **job.params.property),
        "sampling": Sampling(**counting),
        "lambda_": lambda_,
        "corpus": corpus or job.wildcards.corpus,
        "output": job.output.store,
        "keep": keep,
    }
