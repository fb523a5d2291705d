"""What keys of results are made of: everything that their bytes depend on, and nothing else.

Part of a key: the device (CPU and GPU round differently), the threads of a CPU and the number of GPUs (they order
sums), and the versions of the packages that compute or write. Not part of it: the make of a CPU or GPU, because
shards of one run may be made on several; and names of models, corpora, tasks and folders. Where a taken result holds
names, the working directory's own replace them.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import zarr

from property_neurons.cache.results import Audio, Result
from property_neurons.jobs.fingerprint import code_of_file
from property_neurons.jobs.made_before import version_of
from property_neurons.stores import manifests

if TYPE_CHECKING:
    from property_neurons.corpus.phones import Inventory
    from property_neurons.pretraining.stage import PretrainingJob
    from property_neurons.tasks.job import TaskJob
    from property_neurons.tasks.table import TaskData

# They say how a cut, edited or distilled model was made, and load it elsewhere; nothing that runs it here reads them.
_BESIDE = frozenset({"pruning.json", "editing.json", "distillation.json", "curves.tsv", "load_pruned.py"})
_PACKAGES = {
    "frames": ("amfm-decompy", "librosa", "numcodecs", "numpy", "praat-parselmouth", "scipy", "soundfile", "zarr"),
    "ranks": ("kaldi-native-fbank", "numcodecs", "numpy", "soundfile", "torch", "transformers", "zarr"),
    "log-mel": ("kaldi-native-fbank", "numpy", "scipy", "soundfile"),
    "counts": ("numcodecs", "numpy", "pandas", "zarr"),
    "checkpoints": ("accelerate", "numpy", "torch", "transformers"),
    "tasks": ("accelerate", "kaldi-native-fbank", "numpy", "soundfile", "torch", "transformers"),
}


def frames_result(
    store: str | Path,
    *,
    shard_list: pd.DataFrame,
    utterances: pd.DataFrame,
    segments: pd.DataFrame,
    root: str | Path,
    pitch: Mapping[str, Any],
    inventory: "Inventory",
    code: str,
    script: str | Path,
) -> Result:
    """The frame store of a shard, kept where it is made; the cache that directories share has none.

    Args:
        store: to write.
        shard_list, utterances, segments, root, inventory: see `corpus.build_frames.write_frame_store`.
        pitch: arguments of `corpus.pitch_source.pitch_source`.
        code, script: as for ranks.
    """
    facts = utterances[utterances["utterance"].isin(shard_list["utterance"])]
    bins = pitch.get("path")
    return Result(
        kind="frames",
        made_of={
            "speech": manifests.digest_of([_plain(shard_list), _plain(facts), _plain(segments)]),
            "pitch": {key: value for key, value in pitch.items() if key != "path"},
            "bins": bins and manifests.describe_file(Path(bins))[1],
            "inventory": [inventory.phones, {name: list(phones) for name, phones in inventory.classes.items()}],
            "code": code,
            **_machine("frames", "cpu", 1, 1, script),
        },
        folder=Path(store),
        manifest=manifests.manifest_path(store),
        audio=[_audio(shard_list, root)],
    )


def log_mel_result(
    folder: str | Path,
    manifest: str | Path,
    *,
    shard_list: pd.DataFrame,
    speakers: Sequence[str],
    root: str | Path,
    coded: bool,
    code: str,
    script: str | Path,
) -> Result:
    """The log-Mel frames of a shard, kept where they are made, as frame stores are.

    Args:
        folder, manifest: to write.
        shard_list, speakers, root, coded: of the utterances; see `pretraining.log_mel.write_log_mel`.
        code, script: as for ranks.
    """
    return Result(
        kind="log-mel",
        made_of={
            "speech": manifests.digest_of([_plain(shard_list), list(speakers)]),
            "coded": coded,
            "code": code,
            **_machine("log-mel", "cpu", 1, 1, script),
        },
        folder=Path(folder),
        manifest=Path(manifest),
        audio=[_audio(shard_list, root)],
    )


def counts_result(
    store: str | Path, *, inputs: Iterable[str | Path], settings: Mapping[str, Any], code: str, script: str | Path
) -> Result:
    """Counts of a model on a corpus, kept where they are made, as frames are.

    Args:
        store: to write.
        inputs: manifests of ranks, frames and what else is read beside them, and tables, in an order that stays.
        settings: of the property and the counting, and the names that the store holds.
        code, script: as for ranks.
    """
    return Result(
        kind="counts",
        made_of={
            "inputs": [_digest_of_input(Path(one)) for one in inputs],
            "settings": settings,
            "code": code,
            **_machine("counts", "cpu", 1, 1, script),
        },
        folder=Path(store),
        manifest=manifests.manifest_path(store),
    )


def _audio(shard_list: pd.DataFrame, root: str | Path) -> Audio:
    return Audio(Path(root), dict(zip(shard_list["audio"], shard_list["audio_digest"], strict=True)))


def _plain(table: pd.DataFrame) -> list[Any]:
    return [list(table.columns), table.astype("str").to_numpy().tolist()]


def ranks_result(
    store: str | Path,
    manifest: str | Path,
    utterances: pd.DataFrame,
    root: str | Path,
    *,
    model: str,
    lambda_max: float,
    middle_frames: Mapping[str, np.ndarray] | None,
    batch_seconds: float | None,
    device: str,
    threads: int,
    code: str,
    script: str | Path,
) -> Result:
    """The rank store of a shard.

    Args:
        store: to write.
        manifest: of the model, which is held against its folder.
        utterances: the shard list, as `corpus.shards.read_shard_list` reads it.
        root: the folder that its audio paths start from.
        model, lambda_max, middle_frames, batch_seconds: see `ranks.extraction.extract_ranks`.
        device: "cpu" or "cuda".
        code: fingerprint of the library's code.
        script: of the job.

    Raises:
        StoreError: the model is absent or damaged.
    """
    described = manifests.verify_files(manifests.described_folder(manifest), manifest)

    def put_names(folder: Path) -> None:
        zarr.open_group(folder, mode="r+", zarr_format=3).attrs.update({"model": model})

    return Result(
        kind="ranks",
        made_of={
            "model": _digest_of_model(described),
            "utterances": manifests.digest_of(utterances[["utterance", "audio_digest", "n_samples"]].values.tolist()),
            "lambda_max": lambda_max,
            "middle_frames": None if middle_frames is None else _digest_of_frames(middle_frames),
            "batch_seconds": batch_seconds,
            "code": code,
            **_machine("ranks", device, threads, 1, script),
        },
        folder=Path(store),
        manifest=manifests.manifest_path(store),
        put_names=put_names,
        audio=[_audio(utterances, root)],
    )


def pretraining_result(job: "PretrainingJob", *, processes: int, threads: int, script: str | Path) -> Result:
    """The checkpoint of a stage of pre-training; its identity is by content already.

    Raises:
        StoreError: an input is absent.
    """
    return Result(
        kind="checkpoints",
        made_of={"identity": job.identity(), **_machine("checkpoints", job.device, threads, processes, script)},
        folder=Path(job.folder),
        manifest=Path(f"{job.folder}.manifest.json"),
        noted={"job": asdict(job)},
        work=Path(job.work),
    )


def task_result(job: "TaskJob", *, threads: int, script: str | Path) -> Result:
    """A training of a task, whose own identity names corpora, in the table of its data.

    Raises:
        StoreError: an input is absent or damaged.
    """
    # Slow to import, and not needed for ranks.
    from property_neurons.tasks.model import HEAD_FILE
    from property_neurons.tasks.table import read_task_data
    from property_neurons.training.optimisation import WITHOUT_RESULT

    described = manifests.verify_files(manifests.described_folder(job.model), job.model)
    data = read_task_data(job.data)
    head = manifests.read_manifest(f"{job.initial}.manifest.json")["files"][HEAD_FILE] if job.initial else None

    return Result(
        kind="tasks",
        made_of={
            "mode": job.mode,
            "settings": {key: value for key, value in job.settings.items() if key not in WITHOUT_RESULT},
            "half_precision": bool(job.states),
            "model": _digest_of_model(described),
            "head": head,
            "first": job.items_before(),
            "data": _digest_of_data(data),
            "code": job.code,
            **_machine("tasks", job.device, threads, 1, script),
        },
        folder=Path(job.folder),
        manifest=Path(f"{job.folder}.manifest.json"),
        noted={"job": asdict(job)},
        audio=[
            Audio(Path(job.roots[corpus]), dict(zip(rows["audio"], rows["audio_digest"], strict=True)))
            for corpus, rows in data.table.groupby("corpus")
        ],
        work=Path(job.work),
    )


def _machine(kind: str, device: str, threads: int, processes: int, script: str | Path) -> dict[str, Any]:
    """What results of all kinds depend on, the script included: another script may give another result."""
    return {
        "device": device,
        **({"threads": threads} if device == "cpu" else {"gpus": processes}),
        "packages": {name: version_of(name) for name in _PACKAGES[kind]},
        "script": code_of_file(script),
    }


def _digest_of_input(path: Path) -> str:
    """Of what a manifest describes, or of the file itself."""
    if path.name.endswith(".manifest.json"):
        return manifests.read_manifest(path)["digest"]
    return manifests.describe_file(path)[1]


def _digest_of_model(manifest: Mapping[str, Any]) -> str:
    return manifests.digest_of({name: entry for name, entry in manifest["files"].items() if name not in _BESIDE})


def _digest_of_frames(frames: Mapping[str, np.ndarray]) -> str:
    return manifests.digest_of({name: np.asarray(values, np.int64).tolist() for name, values in frames.items()})


def _digest_of_data(data: "TaskData") -> str:
    """A digest of what is trained and scored on: the rows in their order, without corpora and paths."""
    columns = ["subset", "utterance", "speaker", "gender", "audio_digest", "n_samples", "part"]
    described = {key: value for key, value in data.description.items() if key not in ("digest", "files")}
    digest = hashlib.blake2b(
        manifests.digest_of([described, data.table[columns].values.tolist()]).encode(), digest_size=16
    )
    for reference in data.table["reference"]:
        values = np.asarray(reference)
        digest.update(f"{values.dtype}{len(values)}".encode() + values.tobytes())
    return digest.hexdigest()
