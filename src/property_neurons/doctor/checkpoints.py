"""Findings about checkpoints on disk or on the hub, without loading any."""

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import httpx
from safetensors import SafetensorError, safe_open

from property_neurons.config.models import HubModel
from property_neurons.doctor.finding import Finding

_HUB_TIMEOUT_S = 5.0


def folder_findings(about: str, folder: str, fatal: bool) -> Iterator[Finding]:
    """What keeps a `from_pretrained` folder from being loaded: no config.json, weights absent or cut short."""
    expected = f"a from_pretrained folder at {folder}"
    remedy = "give a folder written by save_pretrained, or copy it again"

    def finding(found: str) -> Finding:
        return Finding(about, expected, found, remedy, fatal)

    try:
        content = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        if not isinstance(content, dict) or "model_type" not in content:
            yield finding("a config.json without model_type")
    except FileNotFoundError:
        yield finding("no config.json")
    except (OSError, ValueError) as error:
        yield finding(f"an unreadable config.json ({error})")
    weights = [(path, trouble_of) for form, trouble_of in _WEIGHTS.items() for path in sorted(Path(folder).glob(form))]
    if not weights:
        yield finding(f"no weights ({', '.join(_WEIGHTS)})")
    for path, trouble_of in weights:
        if trouble := trouble_of(path):
            yield finding(f"{path.name}: {trouble}")
    yield from map(finding, _missing_parts(Path(folder)))


def _safetensors_trouble(path: Path) -> str | None:
    try:
        # The header is read, and the file's length held against it.
        with safe_open(path, framework="numpy"):
            return None
    except (OSError, SafetensorError) as error:
        return str(error)


def torch_trouble(path: Path) -> str | None:
    """Why a file is no checkpoint of torch, by its first bytes; None where it may be one."""
    try:
        if zipfile.is_zipfile(path):
            return None
        with path.open("rb") as stream:
            return None if stream.read(1) == b"\x80" else "neither a zip file nor a pickle"
    except OSError as error:
        return str(error)


_WEIGHTS: dict[str, Callable[[Path], str | None]] = {
    "*.safetensors": _safetensors_trouble,
    "pytorch_model*.bin": torch_trouble,
}


def _missing_parts(folder: Path) -> Iterator[str]:
    for index in sorted(folder.glob("*.index.json")):
        try:
            parts = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError):
            yield f"an unreadable {index.name}"
            continue
        for part in sorted(parts):
            if not (folder / part).is_file():
                yield f"no {part}, which {index.name} names"


def hub_findings(about: str, section: HubModel, fatal: bool) -> Iterator[Finding]:
    """Whether a model of the hub is in the local cache, or can be asked for."""
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
