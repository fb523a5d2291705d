"""What jobs that took hours made before, taken back where all that it was made of is as it was.

Snakemake runs a rule again where an input is newer, and an input is newer too where it was written again with the same
content: after a corpus was scanned anew, or another setting of it changed. Such a job links what it made from `.kept`
back to its place (`jobs.kept`), in seconds.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from logging import Logger
from pathlib import Path
from typing import Any

from property_neurons.errors import StoreError, printable
from property_neurons.jobs.fingerprint import code_of_file
from property_neurons.jobs.kept import kept_name, link
from property_neurons.stores import files, manifests

_PACKAGES = (
    "accelerate",
    "kaldi-native-fbank",
    "numcodecs",
    "numpy",
    "pandas",
    "scikit-learn",
    "scipy",
    "soundfile",
    "torch",
    "transformers",
    "zarr",
)
_MANIFEST = ".manifest.json"


def made_of(job: Any) -> str | None:
    """A digest of all that a job's outputs depend on; None where that cannot be told.

    That is the names and content of its inputs, its settings and wildcards, device and threads, its script, and
    the packages. Its code is among the settings (`params.code`).

    Args:
        job: the `snakemake` object of a script.
    """
    if getattr(job, "rule", None) is None:
        return None
    script = Path(job.scriptdir) / f"{job.rule}.py"
    try:
        content = {
            # Results may name what they were made of.
            "inputs": [[str(file), _digest(Path(file))] for file in job.input],
            "params": dict(job.params.items()),
            "wildcards": dict(job.wildcards.items()),
            "device": job.config.get("device"),
            "gpu": job.resources.get("gpu"),
            "threads": job.threads,
            "script": code_of_file(script),
            "packages": {name: version_of(name) for name in _PACKAGES},
        }
        return manifests.digest_of(content)
    # Settings that are no plain values, or an input that is a folder without a manifest: made anew, as ever.
    except (TypeError, OSError, SyntaxError, StoreError):
        return None


def describe_kept(outputs: Sequence[Path], digest: str | None) -> None:
    """Note beside kept outputs what they were made of, and what they are."""
    description = _description(outputs)
    if digest is not None:
        described = {output.name: _content(output) for output in outputs}
        files.write_json(description, {"made_of": digest, "outputs": described})


def take_back(outputs: Sequence[Path], digest: str | None, log: Logger) -> bool:
    """Link kept outputs to their places; returns whether they were kept, whole, and made of the same.

    Raises:
        StoreError: they were, and cannot be linked. To make them anew would be the waste that keeping them is to save.
    """
    description = _description(outputs)
    if not description.is_file():
        return False
    try:
        described = files.read_json(description)
        if digest is None or described["made_of"] != digest:
            description.unlink()
            return False
        damaged = [kept_name(one) for one in outputs if _content(kept_name(one)) != described["outputs"][one.name]]
    except (StoreError, OSError, LookupError, TypeError):
        damaged = [description]
    if damaged:
        description.unlink()
        log.warning("what was kept here is damaged, and not used: %s", ", ".join(map(printable, damaged)))
        return False
    # A manifest is there only when all that it describes is.
    for output in sorted(outputs, key=lambda one: one.name.endswith(_MANIFEST)):
        try:
            link(kept_name(output), output)
        except OSError as error:
            raise StoreError(
                f"{printable(output)}: expected to take back what was made before with the same settings, found "
                f"{printable(error.strerror or error)}; free space, or delete {printable(kept_name(output))} to make "
                "it anew"
            ) from None
    log.info("taken from results kept here: %s", ", ".join(map(printable, outputs)))
    return True


def _description(outputs: Sequence[Path]) -> Path:
    kept = kept_name(outputs[0])
    return kept.with_name(f"{kept.name}.made_of.json")


def _content(path: Path) -> str | list[int | str]:
    """A digest of the bytes of a file, or of all files of a folder."""
    return manifests.describe_files(path)["digest"] if path.is_dir() else manifests.describe_file(path)


def _digest(path: Path) -> str | list[int | str]:
    """Of a file, or of what a manifest describes; of a folder, that of its manifest."""
    if path.is_dir():
        manifest = Path(f"{path}{_MANIFEST}")
        return _digest(manifest if manifest.is_file() else manifests.manifest_path(path))
    if path.name.endswith(_MANIFEST):
        described: Mapping[str, Any] = manifests.read_manifest(path)
        if "digest" in described:
            return described["digest"]
    return manifests.describe_file(path)


def version_of(package: str) -> str | None:
    """The version of an installed package; None where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
