"""Pre-training of MelHuBERT by masked prediction (section 3 of the method), with transformers' Trainer.

One job trains one stage: log-Mel frames and targets in, a `from_pretrained` folder with its learning curves out.
A killed job goes on from its last whole checkpoint and gives the same curves as one that was never killed.
"""

import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from property_neurons.errors import DivergedError, ModelError, PropertyNeuronsError, printable_lines
from property_neurons.jobs import locks
from property_neurons.jobs.parallel import run_to_the_end
from property_neurons.models.backend import quiet_transformers
from property_neurons.models.log_mel import LogMelStatistics
from property_neurons.models.melhubert import (
    MelHubertConfig,
    MelHubertFeatureExtractor,
    MelHubertForPreTraining,
    MelHubertModel,
)
from property_neurons.models.melhubert.modeling import UNMASKED
from property_neurons.pretraining.crops import Crops, Masking, Utterance, collate, hold_out, join_shards
from property_neurons.pretraining.input_model import check_input_model
from property_neurons.pretraining.log_mel_store import LogMelShard, open_log_mel, read_statistics
from property_neurons.pretraining.masked_prediction import MaskedPredictionTrainer
from property_neurons.pretraining.target_store import TargetShard, open_targets
from property_neurons.stores import files, manifests
from property_neurons.training import learning_rates
from property_neurons.training.checkpoints import resume_point
from property_neurons.training.learning_curves import learning_curves
from property_neurons.training.optimisation import WITHOUT_RESULT, Optimisation
from property_neurons.training.trainer import (
    StopWhenFlat,
    add_callbacks,
    train_from,
    training_arguments,
)

log = logging.getLogger(__name__)

_METRICS = "metrics.json"
_SETTINGS = "training"
# In a folder of work: a finished training out of several; the message of one that has diverged in another process.
_TRAINED, _DIVERGED = "trained", "diverged.json"
CURVES = {"loss": ("loss", "eval_loss"), "masked_accuracy": ("masked_accuracy", "eval_masked_accuracy")}


@dataclass(frozen=True, kw_only=True)
class Training(Optimisation):
    """How a stage is trained; see `optimisation.Optimisation` for what is not said here.

    steps: at most.
    patience: see `trainer.StopWhenFlat`; None = all steps.
    crop_seconds: longest crop.
    mask_share, mask_span_ms: see `masking.span_mask`.
    coded_share: of the crops that come from the MP3-coded audio.
    frequency_warp: see `warping.draw_warp`.
    """

    max_grad_norm: float = 10.0
    patience: int | None = None
    crop_seconds: float = 15.0
    mask_share: float = 0.7
    mask_span_ms: int = 100
    coded_share: float = 0.0
    frequency_warp: float = 0.0


@dataclass(frozen=True)
class PretrainingJob:
    """Everything one job of pre-training needs, as plain values: it is handed to other processes as JSON.

    name: for messages.
    log_mel, targets: manifests of the shards' frames and targets, in the same order.
    statistics: JSON of the log-Mel statistics.
    architecture: fields of MelHubertConfig (num_targets follows from the targets); None = that of the initial model,
        whose log-Mel statistics are then kept too.
    initial: folder of a model whose encoder is trained on; None = random weights.
    coded: manifests of the frames after MP3 coding, in the order of `log_mel`; none where no crop takes them.
    validation_share: of the frames, held out by speaker.
    training: fields of `Training`.
    device: "cpu" or "cuda".
    folder: the checkpoint to write.
    work: where the Trainer keeps its checkpoints; removed when done.
    tensorboard: folder of TensorBoard logs, or None.
    code: fingerprint of the code, so that a checkpoint of other code is not resumed.
    """

    name: str
    log_mel: list[str]
    targets: list[str]
    statistics: str
    architecture: dict[str, Any] | None
    validation_share: float
    training: dict[str, Any]
    folder: str
    work: str
    device: str = "cpu"
    initial: str | None = None
    coded: list[str] = field(default_factory=list)
    tensorboard: str | None = None
    code: str = ""

    def identity(self) -> str:
        """A digest of everything that the trained weights depend on."""
        training = {key: value for key, value in self.training.items() if key not in WITHOUT_RESULT}
        content = {
            "architecture": self.architecture,
            "validation_share": self.validation_share,
            "training": training,
            "code": self.code,
        }
        inputs = [
            *self.log_mel,
            *self.coded,
            *self.targets,
            *([f"{self.initial}.manifest.json"] if self.initial else []),
        ]
        content["inputs"] = [manifests.read_manifest(manifest)["digest"] for manifest in inputs]
        content["measured"] = files.read_json(self.statistics)
        return manifests.digest_of(content)


def run_pretraining(job: PretrainingJob, processes: int = 1) -> None:
    """Train one stage and write the checkpoint folder, its curves and its metrics, whole or not at all.

    Given several learning rates, train with each and keep the one with the least validation loss.

    In the folder: the model (safetensors), config.json, preprocessor_config.json, curves.tsv (see `learning_curves`),
    metrics.json (loss and accuracy, beside chance and unigrams; the learning rate; of several the loss of each).

    Args:
        processes: one per GPU; more than one are started by torch's launcher.

    Raises:
        ModelError: another process failed.
        DivergedError: the loss is not finite, with each of the learning rates.
        StoreError: an input is absent or damaged, or another process trains this stage.
    """
    with locks.sole_process(job.work) as lock:

        def train(one: PretrainingJob) -> None:
            if processes == 1:
                with quiet_transformers():
                    _train(one)
            else:
                _launch(one, processes, lock)

        chosen, tried = learning_rates.choose(job, lambda trial: _loss_of_trial(trial, train), _SETTINGS)
        if tried:
            _take_over(job, _trained(chosen, train), tried)
        else:
            train(job)
        learning_rates.clear(job, _SETTINGS)


def _loss_of_trial(trial: PretrainingJob, train: Callable[[PretrainingJob], None]) -> float:
    return files.read_json(_trained(trial, train) / _METRICS)["loss"]


def _trained(trial: PretrainingJob, train: Callable[[PretrainingJob], None]) -> Path:
    """The folder in a trial's folder of work that has its result; trains where there is none, or another training's."""
    made = Path(trial.work) / _TRAINED
    manifest = manifests.manifest_path(made)
    # A job that was killed right after its training ended goes on here; of other settings or inputs it is another one.
    if manifest.is_file() and manifests.read_manifest(manifest).get("identity") != trial.identity():
        log.warning("%s: of another training; moved to %s", made, files.set_all_aside([made, manifest])[0])
    if not manifest.is_file():
        train(replace(trial, folder=str(made)))
    manifests.verify_files(made, manifest)
    return made


def _take_over(job: PretrainingJob, made: Path, tried: Mapping[str, float | None]) -> None:
    """Make the best of several trainings the result."""
    with manifests.new_described_folder(job.folder, noted={"job": asdict(job)}) as temporary:
        shutil.copytree(made, temporary, dirs_exist_ok=True)
        files.write_json(temporary / _METRICS, files.read_json(made / _METRICS) | {"learning_rates": tried})


def _launch(job: PretrainingJob, processes: int, lock: int) -> None:
    """Train in several processes, which keep the lock as long as they live."""
    description, diverged = Path(job.work) / "job.json", Path(job.work) / _DIVERGED
    diverged.unlink(missing_ok=True)
    files.write_json(description, asdict(job))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    # Relative imports of the workflow's own modules must work in the processes too.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    status = run_to_the_end(
        [*command, "-m", "property_neurons.pretraining.stage", str(description)],
        env=environment,
        pass_fds=(lock,),
        stdout=sys.stderr,
        stderr=sys.stderr,
    )
    if status and diverged.is_file():
        raise DivergedError(files.read_json(diverged))
    if status:
        raise ModelError(
            f"{job.name}: one of {processes} training processes failed (exit status {status}); see the "
            "messages above; the next run goes on from the last checkpoint"
        )


def _train(job: PretrainingJob) -> None:
    training = Training(**job.training)
    identity = job.identity()
    shards = _open_shards(job, int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))
    clusters = shards[0][2].clusters
    config, statistics = _architecture(job, clusters)
    train, validation = hold_out(join_shards(shards, config.frame_ms), job.validation_share)
    crops = {
        "crop_ms": round(training.crop_seconds * 1000),
        "frame_ms": config.frame_ms,
        "masking": Masking(training.mask_share, training.mask_span_ms),
    }
    train_crops = Crops(
        train,
        statistics,
        n_crops=training.steps * training.batch_size,
        coded_share=training.coded_share,
        frequency_warp=training.frequency_warp,
        seed=training.seed,
        **crops,
    )
    validation_crops = Crops(validation, statistics, n_crops=len(validation), coded_share=0.0, seed=0, **crops)

    started = time.monotonic()
    trainer = make_trainer(job, training, identity, _initial_model(job, config, training.seed), train_crops)
    trainer.eval_dataset = validation_crops
    # One process after the other: the first clears away what cannot be resumed.
    with trainer.args.main_process_first(local=False):
        checkpoint = resume_point(job.work, identity)
    train_from(trainer, checkpoint, training.patience)
    final = trainer.evaluate()
    if not trainer.is_world_process_zero():
        return
    extractor = MelHubertFeatureExtractor(
        statistics.mean.tolist(), statistics.std.tolist(), config.frame_ms, config.num_mel_bins
    )
    with manifests.new_described_folder(job.folder, noted={"job": asdict(job), "identity": identity}) as temporary:
        trainer.accelerator.unwrap_model(trainer.model).save_pretrained(temporary)
        extractor.save_pretrained(temporary)
        files.write_table(temporary / "curves.tsv", learning_curves(trainer.state.log_history, CURVES))
        metrics = {
            "steps": trainer.state.global_step,
            "parameters": sum(parameter.numel() for parameter in trainer.model.parameters()),
            "train": _amount(train),
            "validation": _amount(validation),
            "learning_rate": training.learning_rate,
            "loss": final["eval_loss"],
            "masked_accuracy": final["eval_masked_accuracy"],
            **unigram_baseline(train, validation_crops, clusters),
        }
        files.write_json(temporary / _METRICS, metrics)
    print(f"{job.name}: {time.monotonic() - started:.0f} s of training in this process", file=sys.stderr)


def _open_shards(
    job: PretrainingJob, rank: int, world: int
) -> list[tuple[LogMelShard, LogMelShard | None, TargetShard]]:
    """Log-Mel frames, those after MP3 coding if any, and targets.

    Each process holds files of its own against their digests. One that finds damage ends before it reaches the barrier
    behind which the others would begin.
    """
    coded = job.coded or [None] * len(job.log_mel)
    return [
        (
            *(one and open_log_mel(one, checked=place % world != rank) for one in frames),
            open_targets(manifests.store_path(targets)),
        )
        for place, (*frames, targets) in enumerate(zip(job.log_mel, coded, job.targets, strict=True))
    ]


def _architecture(job: PretrainingJob, clusters: int) -> tuple[MelHubertConfig, LogMelStatistics]:
    """The config of the model to train, and the log-Mel statistics of its input."""
    if job.architecture is not None:
        return MelHubertConfig(**job.architecture, num_targets=clusters), read_statistics(job.statistics)
    manifests.verify_files(job.initial, f"{job.initial}.manifest.json")
    what = f"{job.name}: model to train on"
    config = check_input_model(job.initial, job.statistics, what, "name such a model of the config")
    statistics = MelHubertFeatureExtractor.from_pretrained(job.initial).statistics
    return MelHubertConfig(**(config.to_dict() | {"num_targets": clusters})), statistics


def _initial_model(job: PretrainingJob, config: MelHubertConfig, seed: int) -> MelHubertForPreTraining:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if job.initial is None:
            return MelHubertForPreTraining(config)
        # The old head belongs to other clusters, even where they are as many.
        model = MelHubertForPreTraining(config)
        encoder = MelHubertModel.from_pretrained(job.initial, local_files_only=True, dtype=torch.float32)
        model.melhubert.load_state_dict(encoder.state_dict())
        return model


def make_trainer(
    job: PretrainingJob, training: Training, identity: str, model: MelHubertForPreTraining, crops: Crops
) -> MaskedPredictionTrainer:
    """The Trainer of a job, with its checkpoints, progress bar and TensorBoard logs.

    Raises:
        ModelError: the batch cannot be dealt out evenly.
    """
    arguments = training_arguments(job.name, job.work, job.device, training)
    # The layers that LayerDrop leaves out get no gradient, which processes would wait for.
    arguments.ddp_find_unused_parameters = model.config.layerdrop > 0
    trainer = MaskedPredictionTrainer(
        model=model,
        args=arguments,
        data_collator=collate,
        train_dataset=crops,
        eval_dataset=crops,
    )
    if training.patience is not None:
        trainer.add_callback(StopWhenFlat(training.patience))
    return add_callbacks(trainer, job.name, identity, tensorboard=job.tensorboard)


def unigram_baseline(train: Sequence[Utterance], validation: Crops, clusters: int) -> dict[str, float]:
    """Baselines that do not use the input, on the masked frames of the validation crops.

    chance: 1 / clusters. unigram_accuracy: always the most frequent target of the training frames. unigram_loss:
    cross-entropy (nats) of their distribution, with one count added to each target.
    """
    counts = np.bincount(np.concatenate([utterance.targets for utterance in train]), minlength=clusters)
    labels = np.concatenate([validation[index]["labels"] for index in range(len(validation))])
    labels = labels[labels != UNMASKED]
    log_share = np.log((counts + 1) / (counts + 1).sum())
    return {
        "chance": 1 / clusters,
        "unigram_accuracy": float((labels == counts.argmax()).mean()),
        "unigram_loss": float(-log_share[labels].mean()),
    }


def _amount(utterances: Sequence[Utterance]) -> dict[str, Any]:
    speakers = {utterance.speaker for utterance in utterances}
    minutes = sum(len(utterance.frames) for utterance in utterances) / 6000
    return {"utterances": len(utterances), "speakers": len(speakers), "minutes": round(minutes, 2)}


if __name__ == "__main__":
    try:
        with quiet_transformers():
            _train(PretrainingJob(**files.read_json(sys.argv[1])))
    except DivergedError as error:
        files.write_json(Path(sys.argv[1]).with_name(_DIVERGED), str(error))
        sys.exit(printable_lines(error))
    except PropertyNeuronsError as error:
        sys.exit(printable_lines(error))
