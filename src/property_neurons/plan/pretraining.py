"""What rules ask about pre-training: the stages of each run, their settings, targets and checkpoints."""

from typing import Any

from property_neurons.config.expand_studies import expand
from property_neurons.config.models import PretrainedModel
from property_neurons.config.pretraining import InitialModel, Stage
from property_neurons.config.root import Config
from property_neurons.plan import corpora, paths


def stage(config: Config, run: str, number: int | str) -> Stage:
    """One stage of a pre-training run, by its number, from 1."""
    return config.pretraining[run].stages[int(number) - 1]


def checkpoints(config: Config, run: str) -> list[str]:
    """The manifests of the checkpoints of all stages of a run."""
    stages = range(1, len(config.pretraining[run].stages) + 1)
    return [paths.manifest(paths.checkpoint(config, run, number)) for number in stages]


def training_settings(config: Config, run: str, number: int | str) -> dict[str, Any]:
    """What the result of one stage depends on, as fields of `pretraining.stage.Training`."""
    return stage(config, run, number).model_dump(exclude={"targets", "targets_of", "initial", "workers", "save_every"})


def running_settings(config: Config, run: str, number: int | str) -> dict[str, Any]:
    """The other fields of `Training`; they change no result, so a change runs nothing again."""
    return stage(config, run, number).model_dump(include={"workers", "save_every"})


def model_checkpoint(config: Config, section: PretrainedModel) -> str:
    """The checkpoint of a model of kind `pretrained`: of the stage that it names, or of the last one."""
    return paths.checkpoint(config, section.run, section.stage or len(config.pretraining[section.run].stages))


def log_mel(config: Config, run: str) -> list[str]:
    """The manifests of the log-Mel frames that a run learns from."""
    corpus = config.pretraining[run].corpus
    return corpora.shard_manifests(config, corpus, paths.log_mel(config, corpus))


def coded_log_mel(config: Config, run: str, number: int | str) -> list[str]:
    """The manifests of the log-Mel frames after MP3 coding, where a stage takes crops of them."""
    corpus = config.pretraining[run].corpus
    if not stage(config, run, number).coded_share:
        return []
    return corpora.shard_manifests(config, corpus, paths.coded_log_mel(config, corpus))


def target_owner(config: Config, run: str, number: int | str) -> str:
    """The run whose targets one stage predicts: its own, or the run from which it takes them over."""
    return stage(config, run, number).targets_of or run


def targets(config: Config, run: str, number: int | str) -> list[str]:
    """The manifests of the targets of one stage."""
    folder = paths.targets(config, target_owner(config, run, number), number)
    return corpora.shard_manifests(config, config.pretraining[run].corpus, folder)


def initial_model(config: Config, run: str, number: int | str) -> str | None:
    """The folder whose weights a stage starts from; None where they are random."""
    initial = stage(config, run, number).initial
    if isinstance(initial, InitialModel):
        return paths.model(config, initial.model)
    return paths.checkpoint(config, run, int(number) - 1) if initial == "previous" else None


def clustered_model(config: Config, run: str, number: int | str) -> str | None:
    """The folder of the model whose layer gives the targets; None where log-Mel frames do."""
    clustered = stage(config, run, number).targets
    if clustered.layer is None:
        return None
    if clustered.model is not None:
        return paths.model(config, clustered.model)
    return paths.checkpoint(config, run, int(number) - 1)


def sampled(config: Config, run: str, number: int | str) -> dict[str, Any]:
    """The settings of the sample of a clustered hidden layer, beside the model and the seed."""
    return stage(config, run, number).targets.model_dump(include={"layer", "centred", "fit_hours"})


def sample(config: Config, run: str, number: int | str) -> str | None:
    """The folder of the frames of a hidden layer that k-means is fitted on; None where log-Mel frames are clustered."""
    if clustered_model(config, run, number) is None:
        return None
    return f"{config.results}/pretraining/{run}/stage{number}/sample"


def architecture(config: Config, run: str) -> dict[str, Any] | None:
    """The architecture of a run; None where the run takes it from its initial model."""
    section = config.pretraining[run]
    return section.architecture.model_dump() if section.starts_from is None else None


def trained_runs(config: Config) -> list[str]:
    """The pre-training runs that some model of the configuration comes from, without those of the pruning studies."""
    used = {model.run for model in config.models.values() if isinstance(model, PretrainedModel)}
    of_studies = expand(config).pretraining
    return [run for run in config.pretraining if run in used and run not in of_studies]


def takes_coded(config: Config, run: str) -> bool:
    """Whether some stage of a run takes crops of its corpus after MP3 coding."""
    return any(one.coded_share > 0 for one in config.pretraining[run].stages)
