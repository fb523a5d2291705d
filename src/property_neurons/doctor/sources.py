"""Findings about what the configuration names on disk or on the hub: corpora, alignments, checkpoints."""

import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import httpx
from safetensors import SafetensorError, safe_open

from property_neurons import plan
from property_neurons.config.corpora import DemoCorpus, LibriSpeechCorpus, VoxCelebCorpus
from property_neurons.config.models import FolderModel, HubModel, MelHubertReleaseModel, ShippedModel, TunedModel
from property_neurons.config.root import Config
from property_neurons.config.tasks import PhoneRecognition
from property_neurons.corpus.audio import AUDIO_SUFFIXES
from property_neurons.doctor.finding import Finding
from property_neurons.doctor.needs import Needs
from property_neurons.errors import StoreError
from property_neurons.stores.files import read_table
from property_neurons.stores.manifests import check_digest

_HUB_TIMEOUT_S = 5.0


def corpus_findings(config: Config, needed: Needs) -> Iterator[Finding]:
    """Folders and files of every corpus that are not there; fatal where the default target needs the corpus."""
    for corpus, section in config.corpora.items():
        fatal = corpus in needed.corpora
        if isinstance(section, LibriSpeechCorpus):
            yield from _librispeech_findings(config, corpus, fatal)
        elif isinstance(section, VoxCelebCorpus):
            for key, path in plan.corpora.voxceleb_files(config, corpus).items():
                yield from _absent(f"corpora.{corpus}.{key}", path, "something to read", config, fatal)
        elif not isinstance(section, DemoCorpus):
            raise AssertionError(section)


def _librispeech_findings(config: Config, corpus: str, fatal: bool) -> Iterator[Finding]:
    root = plan.corpora.root(config, corpus)
    about = f"corpora.{corpus}"
    lacking = list(_absent(f"{about}.root", root, "a folder with SPEAKERS.TXT and the subsets", config, fatal))
    if lacking:
        # The rest below it would only repeat this.
        yield from lacking
    else:
        key = "genders" if config.corpora[corpus].genders else "root"
        yield from _absent(
            f"{about}.{key}", plan.corpora.genders(config, corpus), "the speakers' genders", config, fatal
        )
    for subset in plan.corpora.subsets(config, corpus):
        if not lacking:
            yield from _without(
                f"{about}.subsets.{subset}", f"{root}/{subset}", tuple(sorted(AUDIO_SUFFIXES)), "audio", config, fatal
            )
        yield from _table_findings(config, corpus, subset, fatal)
        if plan.corpora.aligned_here(config, corpus, subset):
            if not lacking:
                key, folder = f"{about}.alignments", f"{root}/{subset}"
                yield from _without(key, folder, (".trans.txt",), "transcripts, to be aligned", config, fatal)
            continue
        source = plan.corpora.alignment_source(config, corpus, subset)
        key = f"{about}.alignments"
        if source["kind"] == "textgrid":
            yield from _without(f"{key}.path", source["path"], (".textgrid",), "TextGrids", config, fatal)
        else:
            yield from _absent(f"{key}.path", source["path"], "the authors' frame labels", config, fatal)
            yield from _absent(f"{key}.labels", source["labels"], "the phones of the labels", config, fatal)
        bins = plan.corpora.pitch_settings(config, corpus, subset)["path"]
        if bins:
            yield from _absent(f"{about}.pitch.path", bins, "the authors' pitch bins", config, fatal)


def _table_findings(config: Config, corpus: str, subset: str, fatal: bool) -> Iterator[Finding]:
    """A scan's list of utterances that is not as it was written: whatever reads it would stop."""
    table = Path(plan.paths.subset(config, corpus, subset)) / "utterances.parquet"
    try:
        check_digest(table)
        if table.is_file():
            read_table(table, columns=["n_samples"])
    except (StoreError, OSError) as error:
        yield Finding(f"corpora.{corpus}", f"the scan of {subset} as it was written", str(error), "delete it", fatal)


def _absent(about: str, path: str, what: str, config: Config, fatal: bool) -> Iterator[Finding]:
    remedy = f"correct it, or data_root ({config.data_root!r}), or put {what} there"
    # Of a folder both are needed: to list it, and to open what is in it.
    mode = os.R_OK | os.X_OK if os.path.isdir(path) else os.R_OK  # noqa: PTH112, which raises where it may not look
    if not os.access(path, os.F_OK):
        yield Finding(about, f"{what} at {path}", "nothing", remedy, fatal)
    elif not os.access(path, mode):
        yield Finding(about, f"{what} at {path}", "no permission to read it", f"chmod a+rX {path}", fatal)


def _without(
    about: str, folder: str, suffixes: tuple[str, ...], what: str, config: Config, fatal: bool
) -> Iterator[Finding]:
    """A folder that is absent, or below which no file has one of `suffixes`; stops at the first that has."""
    lacking = list(_absent(about, folder, f"a folder of {what}", config, fatal))
    yield from lacking
    if not lacking and not _holds(folder, suffixes):
        endings = ", ".join(suffixes)
        remedy = f"unpack the {what} there; the layout is that of LibriSpeech (speaker/chapter/file)"
        yield Finding(about, f"files ending in {endings} below {folder}", "none", remedy, fatal)


def _holds(folder: str, suffixes: tuple[str, ...]) -> bool:
    return any(name.lower().endswith(suffixes) for _, _, files in os.walk(folder) for name in files)


def model_findings(config: Config, needed: Needs) -> Iterator[Finding]:
    """Checkpoints that are absent, cut short or out of reach; a model that was prepared needs its source no more."""
    for model, section in config.models.items():
        if Path(plan.paths.manifest(plan.paths.model(config, model))).is_file():
            continue
        fatal = model in needed.models
        match section:
            case FolderModel() | ShippedModel():
                key = "path" if isinstance(section, FolderModel) else "name"
                yield from _folder_findings(f"models.{model}.{key}", plan.models.source(config, model)["path"], fatal)
            case MelHubertReleaseModel():
                for key in ("checkpoint", "statistics"):
                    yield from _file_findings(f"models.{model}.{key}", getattr(section, key), fatal)
            case HubModel():
                yield from _hub_findings(f"models.{model}.id", section, fatal)


def task_findings(config: Config, needed: Needs) -> Iterator[Finding]:
    """Files that tasks name; fatal where the default target needs a model that is fine-tuned on the task."""
    needed_tasks = {section.task for model in needed.models if isinstance(section := config.models[model], TunedModel)}
    for name, task in config.tasks.items():
        if isinstance(task, PhoneRecognition) and task.lexicon is not None:
            yield from _file_findings(f"tasks.{name}.lexicon", task.lexicon, name in needed_tasks)


def _file_findings(about: str, path: str, fatal: bool) -> Iterator[Finding]:
    if not Path(path).is_file():
        yield Finding(about, f"a file at {path}", "none", "correct it or fetch the file", fatal)
    elif not os.access(path, os.R_OK) or not Path(path).stat().st_size:
        yield Finding(about, f"a readable file at {path}", "an empty or unreadable one", "fetch it again", fatal)
    elif Path(path).suffix in (".ckpt", ".pt") and not zipfile.is_zipfile(path) and not _is_pickle(path):
        yield Finding(
            about, f"a torch checkpoint at {path}", "neither a zip file nor a pickle", "fetch it again", fatal
        )


def _folder_findings(about: str, folder: str, fatal: bool) -> Iterator[Finding]:
    expected = f"a from_pretrained folder at {folder}"
    remedy = "give a folder written by save_pretrained, or copy it again"

    def finding(found: str) -> Finding:
        return Finding(about, expected, found, remedy, fatal)

    if not Path(folder).is_dir():
        yield finding("nothing")
        return
    try:
        content = json.loads((Path(folder) / "config.json").read_text())
        if not isinstance(content, dict) or "model_type" not in content:
            yield finding("a config.json without model_type")
    except FileNotFoundError:
        yield finding("no config.json")
    except (OSError, ValueError) as error:
        yield finding(f"an unreadable config.json ({error})")
    weights = [path for form in _WEIGHTS for path in sorted(Path(folder).glob(form))]
    if not weights:
        yield finding(f"no weights ({', '.join(_WEIGHTS)})")
    for path in weights:
        trouble = _WEIGHTS["*" + path.suffix if path.suffix == ".safetensors" else "pytorch_model*.bin"](path)
        if trouble:
            yield finding(f"{path.name}: {trouble}")
    yield from map(finding, _missing_parts(Path(folder)))


def _safetensors_trouble(path: Path) -> str | None:
    try:
        # The header is read, and the file's length held against it.
        with safe_open(path, framework="numpy"):
            return None
    except (OSError, SafetensorError) as error:
        return str(error)


def _bin_trouble(path: Path) -> str | None:
    try:
        return None if zipfile.is_zipfile(path) or _is_pickle(str(path)) else "neither a zip file nor a pickle"
    except OSError as error:
        return str(error)


_WEIGHTS: dict[str, Callable[[Path], str | None]] = {
    "*.safetensors": _safetensors_trouble,
    "pytorch_model*.bin": _bin_trouble,
}


def _missing_parts(folder: Path) -> Iterator[str]:
    for index in sorted(folder.glob("*.index.json")):
        try:
            parts = set(json.loads(index.read_text())["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError):
            yield f"an unreadable {index.name}"
            continue
        for part in sorted(parts):
            if not (folder / part).is_file():
                yield f"no {part}, which {index.name} names"


def _is_pickle(path: str) -> bool:
    with Path(path).open("rb") as stream:
        return stream.read(1) == b"\x80"


def _hub_findings(about: str, section: HubModel, fatal: bool) -> Iterator[Finding]:
    cached = huggingface_hub.try_to_load_from_cache(section.id, "config.json", revision=section.revision)
    if isinstance(cached, str):
        return
    expected = f"{section.id}, revision {section.revision}, in the local cache or on the Hugging Face hub"
    remedy = "correct id and revision; without a network give a local folder (kind: folder)"
    try:
        huggingface_hub.HfApi().model_info(section.id, revision=section.revision, timeout=_HUB_TIMEOUT_S)
    except (HfHubHTTPError, HFValidationError, httpx.HTTPError, OSError, ValueError) as error:
        yield Finding(about, expected, f"{type(error).__name__}: {_first_line(error)}", remedy, fatal)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "no detail").splitlines()[0]
