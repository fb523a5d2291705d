"""What all stages share: the validated config, paths, and the functions that give rules their inputs."""

import os
import re
import sys

# A clone works without being installed, also in the environments of --sdm conda and on cluster nodes.
sys.path.insert(0, str(HERE / "src"))
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [str(HERE / "src"), os.environ.get("PYTHONPATH")])))

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from property_neurons import plan
from property_neurons.config.load import load_config
from property_neurons.errors import ConfigError
from property_neurons.jobs.fingerprint import code_fingerprint

try:
    CONFIG = load_config(config, ", ".join(map(str, workflow.configfiles)) or "the configuration")
except ConfigError as error:
    raise WorkflowError(str(error)) from None

for line in plan.missing.missing_sources(CONFIG):
    logger.warning(f"Not there; jobs that need it will not run. {line}")

RESULTS = CONFIG.results
MODELS_ENVIRONMENT = f"../envs/models-{'cuda' if CONFIG.device == 'cuda' else 'cpu'}.yaml"
# What rules that run a model ask for. Where no scheduler counts GPUs and there is none, they run on the CPU.
GPU = 0 if CONFIG.device == "cpu" else 1
DEMO_CORPORA = [name for name, section in CONFIG.corpora.items() if section.kind == "demo"]

PRUNED_MODELS = plan.pruning.pruned_models(CONFIG)
EDITED_MODELS = plan.editing.edited_models(CONFIG)

STUDIES = [name for name in ("general", "task_specific") if getattr(CONFIG.pruning, name) is not None]

MODEL, CORPUS = CONFIG.figures.model, CONFIG.figures.corpus
PLANE_PROPERTIES = ["phone", "gender", "pitch"]
LAYER_PROPERTIES = ["phone", "gender", "pitch", "duration"]
PUBLISHED = str(HERE / "resources/published.json")


wildcard_constraints:
    corpus="[^/]+",
    model="[^/]+",
    property="[^/.]+",
    subset="[^/]+",
    shard=r"[^/.]+-\d\d\d+",
    run="[^/.]+",
    stage=r"\d+",
    study="[^/]+",


def scaled(amount):
    """A resource that grows with every attempt: a job that ran out of memory or time gets more."""
    return lambda wildcards, attempt: amount * attempt


def one_of(names):
    """A wildcard's pattern: one of some names, or nothing at all where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def manifests(kind, model, corpus):
    """The manifests of a corpus's frame stores (kind `frames`) or of a model's rank stores on it (`ranks`)."""
    folder = f"ranks/{model}/{corpus}" if kind == "ranks" else f"corpora/{corpus}/frames"
    return [f"{RESULTS}/{folder}/{shard}.manifest.json" for shard in plan.corpora.shards(CONFIG, corpus)]


def subset_of(shard):
    """The subset a shard is cut from."""
    return shard.rpartition("-")[0]


def compared_models():
    """The models of Figure 5."""
    return CONFIG.figures.compare or list(CONFIG.models)


def drawn_models():
    """The model of the figures and, where the config names one, its control."""
    return [name for name in (CONFIG.figures.model, CONFIG.figures.control) if name]


def scan_inputs(corpus, subset):
    """The small files a scan depends on; the audio and TextGrids themselves are read, not tracked."""
    if corpus in DEMO_CORPORA:
        return [f"{RESULTS}/corpora/{corpus}/source.manifest.json"]
    source = plan.corpora.alignment_source(CONFIG, corpus, subset)
    files = [plan.corpora.genders(CONFIG, corpus)]
    if source["kind"] == "framewise":
        files += [source["path"], source["labels"]]
    if plan.corpora.aligned_here(CONFIG, corpus, subset):
        files.append(f"{RESULTS}/corpora/{corpus}/alignments/{subset}.manifest.json")
    return files


def model_inputs(wildcards):
    """The files a model is made from."""
    return plan.models.model_files(CONFIG, wildcards.model)


def log_mel_manifests(run):
    """The log-Mel frames of the corpus that a pre-training run learns from."""
    corpus = CONFIG.pretraining[run].corpus
    return [
        f"{RESULTS}/corpora/{corpus}/log_mel/{shard}.manifest.json" for shard in plan.corpora.shards(CONFIG, corpus)
    ]


def target_manifests(run, stage):
    """The targets of one stage, shard by shard."""
    folder = f"{RESULTS}/pretraining/{plan.pretraining.target_owner(CONFIG, run, stage)}/stage{stage}/targets"
    return [f"{folder}/{shard}.manifest.json" for shard in plan.corpora.shards(CONFIG, CONFIG.pretraining[run].corpus)]


def log_mel_statistics(wildcards):
    """The log-Mel statistics that belong to the targets of one stage."""
    return f"{RESULTS}/pretraining/{plan.pretraining.target_owner(CONFIG, wildcards.run, wildcards.stage)}/log_mel.json"


def manifest_of(folder):
    """The manifest of a model's folder; nothing where there is no folder."""
    return f"{folder}.manifest.json" if folder else []


def clustered_model(wildcards):
    """The model whose hidden layer is clustered: none where log-Mel frames are."""
    return manifest_of(plan.pretraining.clustered_model(CONFIG, wildcards.run, wildcards.stage))


def initial_model(wildcards):
    """The model whose weights a stage starts from: none where they are random."""
    return manifest_of(plan.pretraining.initial_model(CONFIG, wildcards.run, wildcards.stage))


def training_gpus(wildcards):
    """How many GPUs one stage trains on."""
    return CONFIG.pretraining[wildcards.run].gpus if GPU else 0


def study(name):
    """The section of a pruning study."""
    return getattr(CONFIG.pruning, name)


def study_models(name):
    """The manifests of the models that a study scores, and of the whole one."""
    models = [study(name).model, *(run.model for run in plan.tasks.study_runs(CONFIG, name))]
    return [f"{RESULTS}/models/{model}.manifest.json" for model in dict.fromkeys(models)]


def rank_inputs(wildcards):
    """Only ranks of middle frames need to know where segments lie."""
    if CONFIG.ranks.frames == "all":
        return []
    return [f"{RESULTS}/corpora/{wildcards.corpus}/frames/{wildcards.shard}.manifest.json"]


def embeddings(kind, models, properties):
    """Tables of `points` or `silhouettes`, model by model."""
    return [f"{RESULTS}/embeddings/{model}/{CORPUS}/{name}.{kind}.tsv" for model in models for name in properties]


def neurons(suffix, models, properties):
    """Neuron tables (suffix `parquet`) or their summaries (`summary.tsv`), model by model."""
    return [f"{RESULTS}/neurons/{model}/{CORPUS}/{name}.{suffix}" for model in models for name in properties]


def published_names(models):
    """For each model, the model of the paper that it is, if any."""
    return {name: CONFIG.models[name].published_as for name in models}


def figure_code(name):
    """The fingerprint of one figure's code, and of what reads its tables."""
    return code_fingerprint(f"property_neurons.figures.{name}", "property_neurons.figures.tables")


def figures(names):
    """The files of some figures."""
    return [f"{RESULTS}/figures/{name}.{form}" for name in names for form in ("pdf", "png", "tsv")]
