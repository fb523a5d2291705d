"""A pruned model against the whole one, and its outputs against those of the masked one: aim 5 of docs/benchmarks.md.

    python benchmarks/pruning.py --data /path/to/data --out pruning.json

HuBERT-base's shape, 3072 neurons a layer cut to 614 (80 %), by the L1 norm. Whole and pruned model take turns on the
same utterance in one process; "blocks" is the time from entering the first Transformer block to leaving the last.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from workload import arguments, hubert_base, report, settings, shown, speech, spread

from property_neurons.models.ffn import ffn_sites
from property_neurons.models.pruned import remove_neurons
from property_neurons.progress import progress
from property_neurons.pruning.criteria import Evidence, L1Norm
from property_neurons.pruning.selection import select
from property_neurons.pruning.speed import paired_ratios

KEPT = 614


def main() -> None:
    parser = arguments(__doc__, utterances=12)
    parser.add_argument("--threads", type=int, default=1, help="threads of both models (default %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    encoder = hubert_base()
    whole = encoder.model
    kept = select(L1Norm().scores(Evidence(whole)), [KEPT] * len(encoder.sites))
    pruned = remove_neurons(whole, [torch.from_numpy(neurons) for neurons in kept])
    with tempfile.TemporaryDirectory() as folder:
        utterances = speech(options.data, options.utterances, Path(folder))

    with torch.inference_mode():
        ratios = []
        for utterance in progress(utterances, total=len(utterances), what="pruning", unit="utterance"):
            windows = [window.values for window in encoder.front_end.windows(utterance.waveform)]
            ratios.append(paired_ratios(whole, pruned, (windows, windows), options.repeats))
        faster = dict(zip(("whole model", "blocks"), np.concatenate(ratios).T, strict=True))
        masked = _masked(kept)
        values = next(iter(encoder.front_end.windows(utterances[0].waveform))).values
        difference = float((masked(values)[0] - pruned(values)[0]).abs().max())

    parameters = [sum(parameter.numel() for parameter in model.parameters()) for model in (whole, pruned)]
    share = parameters[1] / parameters[0]
    result = {
        "settings": settings(utterances, options.data) | {"threads": options.threads, "kept": KEPT},
        "times faster": {name: spread(values) for name, values in faster.items()},
        "parameters": parameters,
        "share of the parameters": share,
        "largest difference from the masked model's output": difference,
    }
    for name, found in result["times faster"].items():
        print(f"{name}: {shown(found, '.2f')} times faster")
    print(f"{share:.1%} of the parameters, outputs within {difference:.1e} of the masked")
    report(result, options.out)


def _masked(kept: list[np.ndarray]) -> torch.nn.Module:
    """The whole model with the columns of the neurons that go at zero."""
    model = hubert_base().model
    for site, neurons in zip(ffn_sites(model), kept, strict=True):
        gone = np.setdiff1d(np.arange(site.width), neurons)
        model.get_submodule(site.module).weight.data[:, gone] = 0
    return model


if __name__ == "__main__":
    main()
