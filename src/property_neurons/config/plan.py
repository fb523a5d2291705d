"""What a configuration implies for the workflow: shards, sources and settings, as plain values for rules."""

from pathlib import Path
from typing import Any

from property_neurons.config.analysis import F0Property
from property_neurons.config.corpora import (
    Alignments,
    DemoCorpus,
    LibriSpeechCorpus,
    PocketSphinxAlignments,
    Subset,
    VoxCelebCorpus,
    under,
)
from property_neurons.config.models import (
    EditedModel,
    FolderModel,
    HubModel,
    MelHubertReleaseModel,
    PretrainedModel,
    PrunedModel,
    RandomTwinModel,
    ShippedModel,
    TunedModel,
    frequency_property,
)
from property_neurons.config.pretraining import InitialModel, Stage
from property_neurons.config.root import Config
from property_neurons.config.studies import expand

DEMO_SUBSET = "demo"

_SHIPPED = Path("resources/models")
_PROJECT = Path(__file__).resolve().parents[3]


def subsets(config: Config, corpus: str) -> dict[str, Subset]:
    """The subsets of a corpus by name; a demo corpus has one, VoxCeleb1 none."""
    section = config.corpora[corpus]
    if isinstance(section, VoxCelebCorpus):
        return {}
    return {DEMO_SUBSET: Subset(shards=section.shards)} if isinstance(section, DemoCorpus) else section.subsets


def subset_shards(subset: str, n_shards: int) -> list[str]:
    """The names of a subset's shards."""
    return [f"{subset}-{k:03d}" for k in range(n_shards)]


def shards(config: Config, corpus: str) -> list[str]:
    """The names of a corpus's shards, subset by subset."""
    return [shard for name, subset in subsets(config, corpus).items() for shard in subset_shards(name, subset.shards)]


def alignments(config: Config, corpus: str, subset: str) -> Alignments:
    """Where the alignments of one subset of a LibriSpeech corpus come from."""
    section = config.corpora[corpus]
    return section.subsets[subset].alignments or section.alignments


def aligned_here(config: Config, corpus: str, subset: str) -> bool:
    """Whether the workflow makes this subset's alignments with PocketSphinx."""
    if isinstance(config.corpora[corpus], DemoCorpus):
        return False
    return isinstance(alignments(config, corpus, subset), PocketSphinxAlignments)


def corpus_root(config: Config, corpus: str) -> str:
    """The folder that holds SPEAKERS.TXT and the subsets of a corpus."""
    section = config.corpora[corpus]
    if isinstance(section, DemoCorpus):
        return f"{config.results}/corpora/{corpus}/source/LibriSpeech"
    return under(config.data_root, section.root)


def voxceleb_corpora(config: Config) -> list[str]:
    """The corpora that are VoxCeleb1."""
    return [name for name, section in config.corpora.items() if isinstance(section, VoxCelebCorpus)]


def voxceleb_files(config: Config, corpus: str) -> dict[str, str]:
    """Where VoxCeleb1 lies: {root, split, meta}."""
    section = config.corpora[corpus]
    return {key: under(config.data_root, getattr(section, key)) for key in ("root", "split", "meta")}


def alignment_source(config: Config, corpus: str, subset: str) -> dict[str, str]:
    """The alignments of one subset as a kind and paths: {kind, path[, labels]}."""
    folder = f"{config.results}/corpora/{corpus}"
    if isinstance(config.corpora[corpus], DemoCorpus):
        return {"kind": "textgrid", "path": f"{folder}/source/alignments/{subset}"}
    section = alignments(config, corpus, subset)
    if isinstance(section, PocketSphinxAlignments):
        return {"kind": "textgrid", "path": f"{folder}/alignments/{subset}"}
    paths = section.model_dump()
    return {key: value if key == "kind" else under(config.data_root, value, subset) for key, value in paths.items()}


def genders(config: Config, corpus: str) -> str:
    """The file that gives each speaker's gender: the corpus's JSON, or SPEAKERS.TXT."""
    given = getattr(config.corpora[corpus], "genders", None)
    return under(config.data_root, given) if given else f"{corpus_root(config, corpus)}/SPEAKERS.TXT"


def pitch_settings(config: Config, corpus: str, subset: str) -> dict[str, Any]:
    """How F0 is found: {method, floor_hz, ceiling_hz, path}."""
    pitch = config.corpora[corpus].pitch
    path = under(config.data_root, pitch.path, subset) if pitch.path else None
    return pitch.model_dump() | {"path": path}


def model_source(config: Config, model: str) -> dict[str, Any]:
    """Where a model comes from, as a kind and its own fields."""
    section = config.models[model]
    if isinstance(section, RandomTwinModel):
        return {"kind": section.kind, "of": f"{config.results}/models/{section.of}", "seed": section.seed}
    if isinstance(section, ShippedModel):
        return {"kind": "folder", "path": _shipped(section.name)}
    if isinstance(section, PretrainedModel):
        stage = section.stage or len(config.pretraining[section.run].stages)
        return {"kind": "folder", "path": checkpoint(config, section.run, stage)}
    if isinstance(section, TunedModel):
        return {"kind": "folder", "path": f"{task_run(config, section.task, section.of, section.seed)}/encoder"}
    if isinstance(section, HubModel | FolderModel | MelHubertReleaseModel):
        return section.model_dump(exclude={"normalise", "published_as"})
    return {"kind": section.kind}


def pruned_models(config: Config) -> list[str]:
    """The models that are cut out of others."""
    return [name for name, section in config.models.items() if isinstance(section, PrunedModel)]


def edited_models(config: Config) -> list[str]:
    """The models that are edited ones of others."""
    return [name for name, section in config.models.items() if isinstance(section, EditedModel)]


def edit_settings(config: Config, model: str) -> dict[str, Any]:
    """What an edit depends on beside its inputs, as fields of `editing.saved.Edit`."""
    section = config.models[model]
    settings = section.model_dump(include={"groups", "action", "random"})
    return settings | ({"factor": section.factor} if section.action == "scale" else {})


def edited_table(config: Config, model: str) -> str:
    """The neuron table that an edit takes its set from."""
    section = config.models[model]
    corpus = section.corpus or config.figures.corpus
    return f"{config.results}/neurons/{section.of}/{corpus}/{section.property}.parquet"


def erased_model(config: Config, study: str, seed: int | str) -> str:
    """The name of the fine-tuned model that an erasure study edits."""
    section = config.erasure[study]
    tuned = TunedModel(kind="tuned", of=section.model, task=section.task, seed=int(seed))
    return next(name for name, model in config.models.items() if model == tuned)


def erasure_training(config: Config, study: str, seed: int | str) -> str:
    """The folder of the training whose model an erasure study edits."""
    section = config.erasure[study]
    return task_run(config, section.task, section.model, int(seed))


def erasure_settings(config: Config, study: str) -> dict[str, Any]:
    """What an erasure depends on beside its inputs, as fields of `editing.erasure.Erasure`."""
    section = config.erasure[study]
    settings = section.model_dump(include={"groups", "doses", "draws", "action", "batch_size"})
    own = {"scale": {"factor"}, "clamp": {"percentile"}}.get(section.action, set())
    column = config.properties[section.property].column
    sigmas = section.sigmas or [config.analysis.sigma]
    return settings | section.model_dump(include=own) | pattern_settings(config) | {"column": column, "sigmas": sigmas}


def pruning_corpus(config: Config, model: str) -> str:
    """The corpus on which the property neurons of a cut were found."""
    return config.models[model].corpus or config.figures.corpus


def pruning_settings(config: Config, model: str) -> dict[str, Any]:
    """What a cut depends on beside its inputs, as fields of `pruning.prune.Cut`: no more than bears on it."""
    section = config.models[model]
    size = "keep" if section.rows is None else "rows"
    settings = section.model_dump(include={"criterion", size, "match"})
    if section.criterion in ("protect", "norm", "random_protect"):
        settings["bias"] = section.bias
    if section.criterion in ("random", "random_protect"):
        settings["seed"] = section.seed
    return settings


def neuron_tables(config: Config, model: str) -> list[str]:
    """The tables of property neurons that a cut depends on."""
    section = config.models[model]
    folder = f"{config.results}/neurons/{section.sizes_of or section.of}/{pruning_corpus(config, model)}"
    return [f"{folder}/{name}.parquet" for name in section.properties] if section.needs_neurons else []


def sizes_of(config: Config, model: str) -> str | None:
    """The folder of the other model whose property neurons give a cut its sizes; None where it is the model itself."""
    section = config.models[model]
    return f"{config.results}/models/{section.sizes_of}" if section.sizes_of and section.needs_neurons else None


def frequency_counts(config: Config, model: str) -> list[str]:
    """The manifest of the counts that a cut by frequency depends on."""
    section = config.models[model]
    if section.criterion != "frequency":
        return []
    name = frequency_property(section.properties, config.properties)
    return [f"{config.results}/counts/{section.of}/{pruning_corpus(config, model)}/{name}.manifest.json"]


def normalise(config: Config, model: str) -> bool | None:
    """Whether a model's waveform is normalised: as it says itself, else as the model it is made of does."""
    section = config.models[model]
    if section.normalise is None and isinstance(section, EditedModel | PrunedModel | RandomTwinModel | TunedModel):
        return normalise(config, section.of)
    return section.normalise


def _shipped(name: str) -> str:
    """The folder of a shipped model; relative where the project is the working directory, so that it may be moved."""
    folder = _SHIPPED / name
    return str(folder if folder.is_dir() else _PROJECT / folder)


def model_files(config: Config, model: str) -> list[str]:
    """The files a model is made from: manifests of what this workflow makes, or the user's own files."""
    source = model_source(config, model)
    if source["kind"] == "random_twin":
        return [f"{source['of']}.manifest.json"]
    if isinstance(config.models[model], PretrainedModel):
        return [f"{source['path']}.manifest.json"]
    if isinstance(config.models[model], TunedModel):
        return [f"{source['path'].removesuffix('/encoder')}.manifest.json"]
    if source["kind"] == "melhubert_release":
        return [source["checkpoint"], source["statistics"]]
    if source["kind"] != "folder":
        return []
    folder = Path(source["path"])
    parts = ("preprocessor_config.json", "processor_config.json", "*.safetensors", "pytorch_model*.bin")
    weights = [str(path) for pattern in parts for path in sorted(folder.glob(pattern))]
    return [f"{source['path']}/config.json", *weights]


def checkpoint(config: Config, run: str, stage: int) -> str:
    """The checkpoint folder of one stage of pre-training."""
    return f"{config.results}/checkpoints/{run}-stage{stage}"


def stage(config: Config, run: str, number: int | str) -> Stage:
    """One stage of a pre-training run, by its number, from 1."""
    return config.pretraining[run].stages[int(number) - 1]


def training_settings(config: Config, run: str, number: int | str) -> dict[str, Any]:
    """What the result of one stage depends on, as fields of `training.pretraining.Training`."""
    return stage(config, run, number).model_dump(exclude={"targets", "targets_of", "initial", "workers", "save_every"})


def target_owner(config: Config, run: str, number: int | str) -> str:
    """The run whose targets one stage predicts: its own, or those it takes over."""
    return stage(config, run, number).targets_of or run


def initial_model(config: Config, run: str, number: int | str) -> str | None:
    """The folder whose weights a stage starts from; None where they are random."""
    initial = stage(config, run, number).initial
    if isinstance(initial, InitialModel):
        return f"{config.results}/models/{initial.model}"
    return checkpoint(config, run, int(number) - 1) if initial == "previous" else None


def clustered_model(config: Config, run: str, number: int | str) -> str | None:
    """The folder of the model whose layer gives the targets; None where log-Mel frames do."""
    targets = stage(config, run, number).targets
    if targets.layer is None:
        return None
    if targets.model is not None:
        return f"{config.results}/models/{targets.model}"
    return checkpoint(config, run, int(number) - 1)


def architecture(config: Config, run: str) -> dict[str, Any] | None:
    """The architecture of a run, None where it is that of the model it starts from."""
    section = config.pretraining[run]
    return section.architecture.model_dump() if section.starts_from is None else None


def running_settings(config: Config, run: str, number: int | str) -> dict[str, Any]:
    """The other fields of `Training`, which change no result and so run nothing again."""
    return stage(config, run, number).model_dump(include={"workers", "save_every"})


def trained_runs(config: Config) -> list[str]:
    """The pre-training runs that some model of the configuration comes from, without those of the pruning studies."""
    used = {model.run for model in config.models.values() if isinstance(model, PretrainedModel)}
    of_studies = expand(config).pretraining
    return [run for run in config.pretraining if run in used and run not in of_studies]


def task_run(config: Config, task: str, model: str, seed: int) -> str:
    """The folder of one downstream training."""
    return f"{config.results}/downstream/{task}/{model}/seed{seed}"


def needs_mp3(config: Config, corpus: str) -> bool:
    """Whether some training takes crops of this corpus after MP3 coding."""
    runs = [run for run in config.pretraining.values() if run.corpus == corpus]
    return any(stage.coded_share > 0 for run in runs for stage in run.stages)


def property_settings(config: Config, name: str) -> dict[str, Any]:
    """A property's definition with the options of the method that bear on it, and no others.

    What a rule's params hold decides what runs again: a pitch cut belongs to pitch alone.
    """
    section = config.properties[name]
    options = config.analysis.resolved()
    settings = section.model_dump()
    if isinstance(section, F0Property):
        keys = ("pitch_cuts", "at_lower_cut", "f0_padding", "pitch_phones")
        settings |= {key: getattr(options, key) for key in keys}
    return settings


def counting_settings(config: Config) -> dict[str, Any]:
    """Lambda and the choice of frames, which every property's counts depend on."""
    return config.analysis.resolved().model_dump(include={"lambda_", "frames", "last_run", "equal_neighbours"})


def pattern_settings(config: Config) -> dict[str, Any]:
    """What turns counts into activation patterns."""
    return config.analysis.resolved().model_dump(include={"threshold", "min_count"})


def missing_sources(config: Config) -> list[str]:
    """What the configuration names on disk and is not there, each with its key and what to do."""
    lines = []
    for name, section in config.corpora.items():
        root = Path(corpus_root(config, name))
        if isinstance(section, LibriSpeechCorpus) and not root.is_dir():
            lines.append(
                f"corpora.{name}.root: expected a folder at {root}, found none; correct it, or data_root "
                f"({config.data_root!r})"
            )
        if isinstance(section, VoxCelebCorpus):
            lines += [
                f"corpora.{name}.{key}: expected something at {path}, found nothing; correct it, or data_root "
                f"({config.data_root!r})"
                for key, path in voxceleb_files(config, name).items()
                if not Path(path).exists()
            ]
    for name, section in config.models.items():
        if isinstance(section, MelHubertReleaseModel):
            lines += [
                f"models.{name}.{key}: expected a file at {path}, found none; correct it or fetch the file"
                for key, path in (("checkpoint", section.checkpoint), ("statistics", section.statistics))
                if not Path(path).is_file()
            ]
        if isinstance(section, FolderModel) and not (Path(section.path) / "config.json").is_file():
            lines.append(
                f"models.{name}.path: expected a from_pretrained folder at {section.path}, found no config.json"
            )
    return lines
