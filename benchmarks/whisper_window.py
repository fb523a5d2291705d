"""What a shorter window changes in a Whisper's ranks: the share of each frame's most active neurons that stay.

    python benchmarks/whisper_window.py WHOLE CUT AUDIO...

WHOLE and CUT are prepared models (`results/models/NAME`), the second with `window_seconds`.
"""

import argparse

import numpy as np
import torch

from property_neurons.corpus.audio import read_audio
from property_neurons.models.loading import SpeechEncoder, load_encoder

SHARE = 0.01


def most_active(encoder: SpeechEncoder, waveform: np.ndarray) -> list[torch.Tensor]:
    """For each network bool [frames, neurons]: the hundredth that is most active."""
    found: list[list[torch.Tensor]] = [[] for _ in encoder.sites]

    def mark(site: int, activations: torch.Tensor) -> None:
        ids = activations.abs().topk(round(SHARE * activations.shape[1])).indices
        found[site].append(torch.zeros(activations.shape, dtype=torch.bool).scatter_(1, ids, True))

    encoder.read(waveform, mark)
    return [torch.cat(pieces) for pieces in found]


def main() -> None:
    """Print a row for each layer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("whole")
    parser.add_argument("cut")
    parser.add_argument("audio", nargs="+")
    chosen = parser.parse_args()
    models = [load_encoder(folder) for folder in (chosen.whole, chosen.cut)]
    same, frames = np.zeros(len(models[0].sites)), 0
    for file in chosen.audio:
        waveform = read_audio(file)
        pairs = list(zip(*(most_active(model, waveform) for model in models), strict=True))
        same += [(whole & cut).sum().item() / whole[0].sum().item() for whole, cut in pairs]
        frames += len(pairs[0][0])
    print(f"{len(chosen.audio)} utterances, {frames} frames; share of equal neurons among the top {SHARE:.0%}")
    for site, share in zip(models[0].sites, same / frames, strict=True):
        print(f"layer {site.name}: {share:.3f}")


if __name__ == "__main__":
    main()
