"""A step of pre-training against the bare forward and backward pass of the same module on the same batch.

A step is everything from one optimiser step to the next: preparing the batch (crops, masks, padding), forward,
backward, clipping, Adam. After each step the same batch goes bare through the same module, so that both take turns.
"""

import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from workload import arguments, settings, speech

from property_neurons.codebooks.kmeans import fit_codebook
from property_neurons.codebooks.sample import gather
from property_neurons.config.optimisation import Optimisation
from property_neurons.corpus.recordings import Recording
from property_neurons.models.backend import quiet_transformers, transformers
from property_neurons.models.melhubert import MelHubertConfig, MelHubertForPreTraining
from property_neurons.pretraining.assign_targets import write_targets
from property_neurons.pretraining.crops import Crops, Masking, join_shards
from property_neurons.pretraining.log_mel import write_log_mel
from property_neurons.pretraining.log_mel_statistics import measure_statistics
from property_neurons.pretraining.log_mel_store import open_log_mel, write_statistics
from property_neurons.pretraining.represent import LogMelFrames
from property_neurons.pretraining.sampled_frames import sample_frames
from property_neurons.pretraining.stage import PretrainingJob, Training, make_trainer
from property_neurons.pretraining.target_store import open_targets
from property_neurons.stores import files

_SHAPES = {
    "mini (6 x 192 x 768), 8 crops of 5 s": (
        {"hidden_size": 192, "num_hidden_layers": 6, "num_attention_heads": 4, "intermediate_size": 768},
        {"batch_size": 8, "crop_seconds": 5.0},
    ),
    "base (12 x 768 x 3072), 2 crops of 5 s": ({}, {"batch_size": 2, "crop_seconds": 5.0}),
}
_WARM_UP = 3


class _TakingTurns(transformers.TrainerCallback):
    """Times each step, and then the bare passes over the batch it used."""

    def __init__(self, model: MelHubertForPreTraining):
        self._model = model
        self.batch: dict[str, torch.Tensor] = {}
        self.ratios: list[float] = []
        self.bare: list[float] = []
        self._since = 0.0

    def on_train_begin(self, args, state, control, **kwargs):
        self._since = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        step = time.perf_counter() - self._since
        before = time.perf_counter()
        self._model(**self.batch).loss.backward()
        bare = time.perf_counter() - before
        self._model.zero_grad()
        if state.global_step > _WARM_UP:
            self.ratios.append(step / bare)
            self.bare.append(bare)
        self._since = time.perf_counter()


def _measure(folder: Path, architecture: dict, changes: dict, steps: int) -> _TakingTurns:
    shard, targets = open_log_mel(folder / "s-000.manifest.json"), open_targets(folder / "t.zarr")
    config = MelHubertConfig(**architecture, num_targets=targets.clusters)
    shared = Optimisation(steps=steps + _WARM_UP, evaluate_every=10**6, save_every=10**6, log_every=10**6)
    training = Training(**(shared.model_dump() | {"seed": 0} | changes))
    crops = Crops(
        join_shards([(shard, targets)], config.frame_ms),
        measure_statistics([shard]),
        n_crops=training.steps * training.batch_size,
        crop_ms=round(training.crop_seconds * 1000),
        frame_ms=config.frame_ms,
        masking=Masking(),
        coded_share=0.0,
        seed=0,
    )
    job = PretrainingJob("step", [], [], "", architecture, 0.1, {}, str(folder / "model"), str(folder / "work"))
    torch.manual_seed(0)
    model = MelHubertForPreTraining(config)
    trainer = make_trainer(job, training, "benchmark", model, crops)
    turns = _TakingTurns(model)
    trainer.add_callback(turns)
    plain = trainer.compute_loss

    def noting(module, inputs, *rest, **named):
        turns.batch = dict(inputs)
        return plain(module, inputs, *rest, **named)

    trainer.compute_loss = noting
    # The last checkpoint is no part of a step.
    trainer.args.save_strategy = "no"
    trainer.train()
    return turns


def main() -> None:
    parser = arguments(__doc__, utterances=48)
    parser.add_argument("--steps", type=int, default=20, help="steps measured (default %(default)s)")
    options = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as temporary, quiet_transformers():
        folder = Path(temporary)
        utterances = speech(options.data, options.utterances, folder)
        recordings = [Recording(item.path.stem, item.path, len(item.waveform)) for item in utterances]
        write_log_mel(folder / "s-000", folder / "s-000.manifest.json", recordings, ["s"] * len(recordings))
        shard = open_log_mel(folder / "s-000.manifest.json")
        statistics = measure_statistics([shard])
        write_statistics(folder / "log_mel.json", statistics)
        represent = LogMelFrames(statistics)
        write_targets(
            folder / "t.zarr",
            shard,
            represent,
            fit_codebook(gather(*sample_frames([shard], represent, hours=1, seed=0)), clusters=128, seed=0),
        )
        for name, (architecture, changes) in _SHAPES.items():
            turns = _measure(folder, architecture, changes, options.steps)
            low, middle, high = np.percentile(turns.ratios, [25, 50, 75])
            results[name] = {"step / bare": [middle, low, high], "bare seconds": float(np.median(turns.bare))}
            print(f"{name}: {middle:.3f} ({low:.3f}-{high:.3f}) of {np.median(turns.bare):.2f} s", flush=True)
    if options.out:
        files.write_json(options.out, {"settings": settings(utterances, options.data), "results": results})
    else:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
