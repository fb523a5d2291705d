"""What the jobs that count have in common: the shards, the property and the rule of frames."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from property_neurons.corpus.frame_values import FrameFiles
from property_neurons.counting.properties import make_property
from property_neurons.counting.sampling import Sampling
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import store_path, verify_files


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
    keep = _let_through(job.input.checked) if keep is None else keep
    counting = dict(job.params.counting)
    lambda_ = counting.pop("lambda_")
    values = [store_path(manifest) for manifest in job.input.get("values", [])] or [None] * len(job.input.frames)
    return {
        "shards": [
            (store_path(ranks), FrameFiles(store_path(frames), of_frames))
            for ranks, frames, of_frames in zip(job.input.ranks, job.input.frames, values, strict=True)
        ],
        "property_": make_property(job.wildcards.property, **job.params.property),
        "sampling": Sampling(**counting),
        "lambda_": lambda_,
        "corpus": corpus or job.wildcards.corpus,
        "output": job.output.store,
        "keep": keep,
    }


def _let_through(checked: str) -> set[tuple[str, str]]:
    corpus = Path(checked).parent
    verify_files(corpus, checked)
    kept = read_table(corpus / "utterances.parquet", ["subset", "utterance"])
    return set(zip(kept["subset"], kept["utterance"], strict=True))
