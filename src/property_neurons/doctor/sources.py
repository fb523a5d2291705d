"""Findings about what the configuration names on disk or on the hub: corpora, alignments, checkpoints."""

from collections.abc import Iterator
from pathlib import Path

from property_neurons import plan
from property_neurons.config.models import HubModel, MelHubertReleaseModel, TunedModel
from property_neurons.config.root import Config
from property_neurons.corpus.audio import AUDIO_SUFFIXES
from property_neurons.doctor.checkpoints import folder_findings, hub_findings, release_findings
from property_neurons.doctor.finding import Finding
from property_neurons.doctor.needs import Needs
from property_neurons.doctor.samples import sampled_files
from property_neurons.errors import PropertyNeuronsError, StoreError
from property_neurons.plan.sources import Source
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import check_digest
from property_neurons.stores.tree import walk
from property_neurons.tasks.units import read_lexicon

_ENDINGS = {"audio": tuple(sorted(AUDIO_SUFFIXES)), "transcripts": (".trans.txt",), "TextGrids": (".textgrid", ".json")}


def other_sources(config: Config) -> Iterator[Finding]:
    """Results that were made from another source than the config names now; no workflow goes on with them."""
    for other in plan.other_sources.made_from_others(config):
        yield Finding(other.key, other.expected, other.found, other.remedy, fatal=True)


def corpus_findings(config: Config, needed: Needs) -> Iterator[Finding]:
    """Missing folders and files of every corpus; fatal where the default target needs the corpus."""
    for corpus in config.corpora:
        fatal = corpus in needed.corpora
        for source in plan.sources.of_corpus(config, corpus):
            yield from _look(source, fatal)
        for subset in plan.corpora.subsets(config, corpus):
            yield from _scan_findings(config, corpus, subset, fatal)


def _look(source: Source, fatal: bool) -> Iterator[Finding]:
    """A finding where a source cannot be read, or holds no file of the expected kind."""
    trouble = source.trouble()
    if trouble is not None:
        remedy = source.remedy if trouble == "nothing" else f"chmod a+rX {source.path}"
        yield Finding(source.key, f"{source.what} at {source.path}", trouble, remedy, fatal)
    elif source.holds is not None and not _holds(source.path, _ENDINGS[source.holds]):
        expected = f"files ending in {', '.join(_ENDINGS[source.holds])} below {source.path}"
        remedy = f"unpack the {source.holds} there; the layout is that of LibriSpeech (speaker/chapter/file)"
        yield Finding(source.key, expected, "none", remedy, fatal)


def _holds(folder: str, endings: tuple[str, ...]) -> bool:
    return bool(sampled_files(folder, endings, 1) or walk(folder).ending(endings))


def _scan_findings(config: Config, corpus: str, subset: str, fatal: bool) -> Iterator[Finding]:
    """A finding where a scan's list of utterances was altered: every job that reads it would stop."""
    table = Path(plan.paths.subset(config, corpus, subset)) / "utterances.parquet"
    try:
        check_digest(table)
        if table.is_file():
            read_table(table, columns=["n_samples"])
    except (StoreError, OSError) as error:
        yield Finding(f"corpora.{corpus}", f"the scan of {subset} as it was written", str(error), "delete it", fatal)


def model_findings(config: Config, needed: Needs) -> Iterator[Finding]:
    """Checkpoints that are absent, cut short or out of reach; a model that was prepared needs its source no more."""
    for model, section in config.models.items():
        if Path(plan.paths.manifest(plan.paths.model(config, model))).is_file():
            continue
        fatal = model in needed.models
        if isinstance(section, HubModel):
            yield from hub_findings(f"models.{model}.id", section, fatal)
        for source in plan.sources.of_model(config, model):
            if source.trouble():
                yield from _look(source, fatal)
            elif isinstance(section, MelHubertReleaseModel):
                yield from release_findings(source.key, source.key.rpartition(".")[2], source.path, fatal)
            else:
                normalise = getattr(section, "normalise", None)
                yield from folder_findings(source.key, source.path, normalise, fatal)


def task_findings(config: Config, needed: Needs) -> Iterator[Finding]:
    """Files that tasks name; fatal where the default target needs a model that is fine-tuned on the task."""
    needed_tasks = {section.task for model in needed.models if isinstance(section := config.models[model], TunedModel)}
    for task in config.tasks:
        for source in plan.sources.of_task(config, task):
            yield from _lexicon_findings(source, task in needed_tasks)


def _lexicon_findings(source: Source, fatal: bool) -> Iterator[Finding]:
    if source.trouble():
        yield from _look(source, fatal)
        return
    try:
        read_lexicon(source.path)
    except PropertyNeuronsError as error:
        yield Finding.of_error(source.key, error, fatal)
