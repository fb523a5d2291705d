"""Where results lie, for rules that read them. The rule that makes a result spells its path out in `output:`.

A stem is a path without its ending: the folder or store, beside which `manifest(stem)` lies.
"""

from pathlib import Path

from property_neurons.config.root import Config

_PACKAGE = Path(__file__).resolve().parents[1]
# Resources lie beside src in a clone, and in the package where that was installed by pip.
_HOME = _PACKAGE if (_PACKAGE / "resources").is_dir() else _PACKAGE.parents[1]


def shipped(name: str) -> str:
    """A file or folder that comes with the project, such as "resources/published.json".

    Relative where the project is the working directory, so that it may be moved or copied and nothing re-runs.
    """
    return name if Path.cwd() == _HOME else str(_HOME / name)


def manifest(stem: str) -> str:
    """The manifest of a folder or store, which rules depend on."""
    return f"{stem}.manifest.json"


def manifest_if(stem: str | None) -> str | list[str]:
    """As `manifest`; no input at all where there is no such folder."""
    return [] if stem is None else manifest(stem)


def corpus(config: Config, name: str) -> str:
    """Folder of what is made of a corpus's speech and alignments alone."""
    return f"{config.results}/corpora/{name}"


def subset(config: Config, corpus_name: str, name: str) -> str:
    """Folder of the tables that a scan of one subset writes."""
    return f"{corpus(config, corpus_name)}/subsets/{name}"


def frames(config: Config, corpus_name: str) -> str:
    """Folder of a corpus's frame stores, one for each shard."""
    return f"{corpus(config, corpus_name)}/frames"


def intervals(config: Config, corpus_name: str, property_name: str) -> str:
    """Folder of the intervals that a property is made of, one store for each shard."""
    return f"{corpus(config, corpus_name)}/intervals/{property_name}"


def frame_values(config: Config, corpus_name: str, of: str) -> str:
    """Folder of the values of a corpus's frames that a track or a tier gives, one store for each shard."""
    return f"{corpus(config, corpus_name)}/frame_values/{of}"


def clusters(config: Config, corpus_name: str, name: str) -> str:
    """Folder of the clusters that a corpus's speech falls into, one store for each shard."""
    return f"{corpus(config, corpus_name)}/clusters/{name}"


def log_mel(config: Config, corpus_name: str) -> str:
    """Folder of a corpus's log-Mel frames, shard by shard."""
    return f"{corpus(config, corpus_name)}/log_mel"


def coded_log_mel(config: Config, corpus_name: str) -> str:
    """Folder of the same frames of the audio after MP3 coding."""
    return f"{log_mel(config, corpus_name)}_coded"


def model(config: Config, name: str) -> str:
    """A prepared model: a `from_pretrained` folder."""
    return f"{config.results}/models/{name}"


def ranks(config: Config, model_name: str, corpus_name: str) -> str:
    """Folder of a model's rank stores on a corpus, one for each shard."""
    return f"{config.results}/ranks/{model_name}/{corpus_name}"


def activations(config: Config, model_name: str, corpus_name: str) -> str:
    """Folder of a model's activation stores on a corpus, one for each shard."""
    return f"{config.results}/activations/{model_name}/{corpus_name}"


def counts(config: Config, model_name: str, corpus_name: str, property_name: str) -> str:
    """Stem of the counts of one property."""
    return f"{config.results}/counts/{model_name}/{corpus_name}/{property_name}"


def training_counts(config: Config, model_name: str, task: str, property_name: str) -> str:
    """Stem of the counts of one property on the training utterances of a task."""
    return f"{config.results}/training_counts/{model_name}/{task}/{property_name}"


def neurons(config: Config, model_name: str, corpus_name: str, property_name: str) -> str:
    """The table of one property's neurons."""
    return f"{config.results}/neurons/{model_name}/{corpus_name}/{property_name}.parquet"


def confound(config: Config, model_name: str, corpus_name: str, property_name: str, confound_name: str) -> str:
    """The table of one property's neurons that stay with a confound held fixed."""
    table = neurons(config, model_name, corpus_name, property_name)
    return f"{table.removesuffix('.parquet')}.given_{confound_name}.tsv"


def embedding(config: Config, model_name: str, corpus_name: str, property_name: str) -> str:
    """Stem of the tables of one property's patterns in the plane."""
    return f"{config.results}/embeddings/{model_name}/{corpus_name}/{property_name}"


def calibration(config: Config, model_name: str, speech: str) -> str:
    """The table of a model's neurons on calibration speech: of a corpus, or of the task that it was fine-tuned on."""
    return f"{config.results}/calibration/{model_name}/{speech}.parquet"


def gates(config: Config, model_name: str) -> str:
    """The gates that were learnt for a model that is pruned by them."""
    return f"{config.results}/gates/{model_name}.parquet"


def targets(config: Config, run: str, stage: int | str) -> str:
    """Folder of the targets that one stage of pre-training predicts, shard by shard."""
    return f"{config.results}/pretraining/{run}/stage{stage}/targets"


def checkpoint(config: Config, run: str, stage: int | str) -> str:
    """The checkpoint of one stage of pre-training."""
    return f"{config.results}/checkpoints/{run}-stage{stage}"


def task_data(config: Config, data: str) -> str:
    """Stem of the utterances, parts and references of tasks."""
    return f"{config.results}/tasks/data/{data}"


def training(config: Config, task: str, model_name: str, seed: int | str) -> str:
    """The folder of one training of a task."""
    return f"{config.results}/tasks/{task}/{model_name}/seed{seed}"


def metrics(config: Config, task: str, model_name: str, seed: int | str) -> str:
    """What one training of a task scored."""
    return f"{training(config, task, model_name, seed)}.metrics.json"


def speed(config: Config, study: str) -> str:
    """The speeds of a pruning study's models."""
    return f"{config.results}/pruning/{study}/speed.tsv"


def erased(config: Config, study: str, seed: int | str) -> str:
    """The folder of the scores of an erasure study's conditions on one seed's model."""
    return f"{config.results}/erasure/{study}/seed{seed}"


def erasure_table(config: Config, study: str) -> str:
    """The table of an erasure study."""
    return f"{config.results}/tables/{study}.tsv"


def states(config: Config, model_name: str, corpus_name: str) -> str:
    """A model's hidden states on a corpus, shared by frozen tasks."""
    return f"{config.results}/states/{model_name}/{corpus_name}"
