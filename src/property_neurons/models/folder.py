"""Inspect a model folder by names, JSON and headers, without loading the model and without torch.

A folder that cannot be read exactly as a model of a known class is refused here, with the file, the key and what to do:
adapters, quantised weights, custom code, pointers of git-lfs, formats other than safetensors and torch's.
"""

import contextlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from property_neurons.errors import ModelError, StoreError, printable, some_of
from property_neurons.stores.outside import read_outside_json

MODEL_TYPES = (
    "hubert",
    "wav2vec2",
    "wavlm",
    "unispeech-sat",
    "data2vec-audio",
    "sew",
    "wav2vec2-conformer",
    "wav2vec2-bert",
    "whisper",
    "melhubert",
)
"""The values of `model_type` in config.json whose neurons are known; "pruned-" may stand before them."""

SAMPLING_RATE = 16_000
SAMPLES_PER_FRAME = 320
# What an extractor computes with; the largest value that anything sensible has keeps it from filling the memory.
_EXTRACTOR_NUMBERS = {
    "feature_size": 1024,
    "num_mel_bins": 1024,
    "n_fft": 65_536,
    "hop_length": 65_536,
    "chunk_length": 3600,
    "stride": 16,
    "sampling_rate": 1_000_000,
}
_LOG_MEL_TYPES = frozenset({"wav2vec2-bert", "whisper", "melhubert"})
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""Where weights are looked for, first come first served, as transformers does."""
PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")
ADAPTERS = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
_OTHER_WEIGHTS = re.compile(r"\.(safetensors|bin|h5|msgpack|onnx|gguf|ggml|pt|pth|ckpt)$")

# How a model is run, and not what it is: whoever loads it here decides that.
_RUN_SETTINGS = (
    "attn_implementation",
    "_attn_implementation",
    "_attn_implementation_internal",
    "_attn_implementation_autoset",
    "experts_implementation",
    "_experts_implementation",
    "_experts_implementation_internal",
    "use_kernels",
    "_use_kernels",
    "kernel_config",
    "fusion_config",
    "distributed_config",
    "transformers_weights",
    "auto_map",
    "custom_pipelines",
    "return_dict",
    "use_return_dict",
    "output_hidden_states",
    "output_attentions",
    "torchscript",
    "gradient_checkpointing",
    "dtype",
    "torch_dtype",
)
_QUANTISED = ("quantization_config", "compression_config", "quantization")
_OTHER_FORMS = ("mlx", "flax", "tf")
_FLOATING = ("F16", "BF16", "F32", "F64")
# Counts of batches that training keeps beside the statistics of a batch norm.
_COUNTERS = re.compile(r"(^|\.)(num_batches_tracked|position_ids)$")
_LORA = re.compile(r"(^|\.)(lora_[ABE]|lora_embedding_[AB]|lora_magnitude_vector|base_layer|hada_w1_a|ia3_l)(\.|$)")
_MERGE = "merge the adapter into the model (merge_and_unload of peft, then save_pretrained) and give that folder"


class Stored(NamedTuple):
    """A stored tensor: its type as safetensors names it ("F32"), and its shape."""

    dtype: str
    shape: tuple[int, ...]


def inspect_folder(folder: str | Path, normalise: bool | None = None) -> None:
    """Check that a folder can be used, without loading the model or opening torch's pickles.

    Args:
        normalise: what the configuration says about the waveform.

    Raises:
        ModelError: the first trouble found.
    """
    folder = Path(folder)
    fields = read_config(folder)
    names: list[str] = []
    for file in weight_files(folder):
        if file.suffix == ".safetensors":
            header = read_header(file)
            check_stored(file, header)
            names += header
    # Under other names than an encoder's, weights are missing: that is told when they are loaded.
    if stored := n_blocks(names):
        check_blocks(folder, fields, stored)
    check_strides(folder, fields)
    preprocessor = read_preprocessor(folder)
    if preprocessor is not None:
        check_preprocessor(folder, preprocessor)
    if preprocessor is None and normalise is None and depends_on_normalising(fields):
        raise ask_for_normalise(folder)


def read_config(folder: Path) -> dict[str, Any]:
    """The config.json of a folder, without what it says about how to run the model (attention kernels, precision).

    Raises:
        ModelError: there is none, or none that can be read; a model of an unknown type, or quantised.
    """
    if not folder.is_dir():
        raise ModelError(
            f"{printable(folder)}: expected a model folder, found nothing; prepare the model or correct the path"
        )
    file = folder / "config.json"
    if not file.is_file():
        refuse_adapters(folder.name, (path.name for path in folder.iterdir()))
        raise ModelError(
            f"{printable(folder)}: expected a transformers config.json, found none; "
            "give a folder written by save_pretrained"
        )
    fields = _read_object(file, "give a folder written by save_pretrained")
    model_type = fields.get("model_type")
    if not isinstance(model_type, str) or model_type.removeprefix("pruned-") not in MODEL_TYPES:
        own_code = "; code of its own (auto_map) is never run" if fields.get("auto_map") else ""
        raise ModelError(
            f"{printable(file)}, model_type: expected a model whose feed-forward neurons are known "
            f"({', '.join(MODEL_TYPES)}), found {printable(repr(model_type))}; use one of these{own_code}"
        )
    for key in _QUANTISED:
        if fields.get(key):
            method = fields[key].get("quant_method") if isinstance(fields[key], dict) else fields[key]
            raise ModelError(
                f"{printable(file)}, {key}: expected a model in floating point, found one quantised by "
                f"{printable(method or 'a method without a name')}; give the checkpoint from before that"
            )
    return {key: value for key, value in fields.items() if key not in _RUN_SETTINGS}


def n_blocks(names: Iterable[str]) -> int:
    """The number of Transformer blocks of an encoder, by the names of its weights."""
    blocks = (re.search(r"(?:^|encoder\.)layers\.(\d+)\.", name) for name in names if "decoder" not in name)
    return len({block[1] for block in blocks if block})


def check_blocks(folder: Path, fields: Mapping[str, Any], stored: int) -> None:
    """Compare the number of blocks in config.json with the stored blocks, before the model is built.

    Raises:
        ModelError: config.json has more blocks.
    """
    key = "encoder_layers" if str(fields["model_type"]).endswith("whisper") else "num_hidden_layers"
    asked = fields.get(key, stored)
    if type(asked) is not int or not 1 <= asked <= stored:
        found = f"{asked:,}" if type(asked) is int else repr(asked)
        raise ModelError(
            f"{printable(folder / 'config.json')}, {key}: expected at least one and no more than the {stored} "
            f"Transformer blocks that the weights hold, found {found}; give config.json and weights of one model"
        )


def check_strides(folder: Path, fields: Mapping[str, Any]) -> None:
    """Check that a model that reads the waveform gives a frame every 20 ms, like the labels.

    Raises:
        ModelError: its convolutions have other strides.
    """
    strides = fields.get("conv_stride")
    if not takes_waveform(fields) or strides is None:
        return
    numbers = isinstance(strides, list) and all(type(stride) is int and 0 < stride < 1000 for stride in strides)
    if not numbers or math.prod(strides) != SAMPLES_PER_FRAME:
        found = f", one per {math.prod(strides)}" if numbers else ""
        raise ModelError(
            f"{printable(folder / 'config.json')}, conv_stride: expected one frame per {SAMPLES_PER_FRAME} samples "
            f"(20 ms), found strides {printable(strides)}{found}; labels come every 20 ms, so use a 20 ms model"
        )


def check_preprocessor(folder: Path, fields: Mapping[str, Any]) -> None:
    """Check the settings of a feature extractor: numbers, 16 kHz, nothing random.

    Raises:
        ModelError: a setting is not allowed.
    """
    where = f"{printable(folder)}, preprocessor_config.json"
    for key, most in _EXTRACTOR_NUMBERS.items():
        value = fields.get(key, 1)
        if type(value) is not int or not 1 <= value <= most:
            raise ModelError(f"{where}, {key}: expected a number from 1 to {most}, found {value!r}; correct it")
    if fields.get("sampling_rate", SAMPLING_RATE) != SAMPLING_RATE:
        raise ModelError(
            f"{where}: expected a model for {SAMPLING_RATE} Hz, found {fields['sampling_rate']} Hz; use a 16 kHz model"
        )
    if not isinstance(fields.get("do_normalize", False), bool):
        raise ModelError(
            f"{where}, do_normalize: expected true or false, found {fields['do_normalize']!r}; "
            "correct it, or set `normalise` in the configuration"
        )
    if fields.get("dither"):
        raise ModelError(
            f"{where}, dither: expected 0, found {fields['dither']!r}: noise would be added, and neurons differ from "
            "run to run; set it to 0"
        )


def depends_on_normalising(fields: Mapping[str, Any]) -> bool:
    """Whether the neurons of a model depend on how loud its waveform is: no group norm behind the first convolution.

    Args:
        fields: of config.json.
    """
    model_type = str(fields.get("model_type")).removeprefix("pruned-")
    # data2vec knows no other norm, and its config no such field.
    return takes_waveform(fields) and (model_type == "data2vec-audio" or fields.get("feat_extract_norm") == "layer")


def takes_waveform(fields: Mapping[str, Any]) -> bool:
    """Whether a model reads the waveform and not log-Mel features, by its config.json."""
    return str(fields.get("model_type")).removeprefix("pruned-") not in _LOG_MEL_TYPES


def ask_for_normalise(folder: str | Path) -> ModelError:
    """The error for a model that depends on `normalise` where nothing sets it."""
    return ModelError(
        f"{printable(folder)}: expected a preprocessor_config.json that says whether the waveform is normalised, on "
        "which the neurons of this model depend (its convolutions have layer norm), found none; fetch the file, or set "
        "`normalise` of the model in the configuration: true for most models of this kind"
    )


def read_preprocessor(folder: Path) -> dict[str, Any] | None:
    """What a folder says of its feature extractor; None where it says nothing.

    Raises:
        ModelError: there is a file that cannot be read, is empty, or no JSON object.
    """
    plain, nested = (folder / name for name in PREPROCESSORS)
    remedy = "fetch it from where the model comes from, or delete it and set `normalise` in the configuration"
    if nested.is_file():
        # Since transformers 5 the extractor of a model with a tokeniser is in here; before, only names of classes were.
        fields = _read_object(nested, remedy)
        fields = fields.get("feature_extractor", fields.get("audio_processor"))
        if fields is not None:
            return _no_empty(fields, f"{nested}, feature_extractor", remedy)
    if plain.is_file():
        return _no_empty(_read_object(plain, remedy), str(plain), remedy)
    return None


def _no_empty(fields: Any, where: str, remedy: str) -> dict[str, Any]:
    if not isinstance(fields, dict) or not fields:
        found = "an empty object" if fields == {} else f"a {type(fields).__name__}"
        raise ModelError(f"{printable(where)}: expected a JSON object with settings, found {found}; {remedy}")
    return fields


def _read_object(file: Path, remedy: str) -> dict[str, Any]:
    try:
        content = read_outside_json(file, "a JSON object", remedy=remedy)
    except StoreError as error:
        raise ModelError(str(error)) from None
    if not isinstance(content, dict):
        raise ModelError(f"{printable(file)}: expected a JSON object, found a {type(content).__name__}; {remedy}")
    return content


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a folder's weights: one, or the shards that an index names.

    Raises:
        ModelError: there are none, one is absent or a pointer of git-lfs, or an adapter lies beside them.
    """
    names = sorted(path.name for path in folder.iterdir())
    refuse_adapters(folder, names)
    remedy = "copy or download the model again"
    for name in WEIGHTS:
        file = folder / name
        if file.is_symlink() and not file.exists():
            raise ModelError(f"{printable(file)}: expected weights, found a link to a file that is gone; {remedy}")
        if not file.is_file():
            continue
        files = [folder / part for part in shards(file)] if name.endswith(".index.json") else [file]
        if absent := [part.name for part in files if not part.is_file()]:
            raise ModelError(
                f"{printable(folder)}: expected {len(files)} files of weights, as {name} says, found no "
                f"{printable(some_of(absent))}; the copy or download is incomplete: {remedy}"
            )
        for part in files:
            _refuse_pointer(part)
        return files
    others = [name for name in names if _OTHER_WEIGHTS.search(name)]
    if others:
        raise ModelError(
            f"{printable(folder)}: expected weights in model.safetensors or pytorch_model.bin (or the index of their "
            f"shards), found only {printable(some_of(others))}; load the model with transformers and save_pretrained it"
        )
    raise ModelError(
        f"{printable(folder)}: expected the weights of a model, found none ({', '.join(WEIGHTS)}); {remedy}"
    )


def needed_names(folder: Path) -> list[str]:
    """The names of the files that a model is made from, config.json first."""
    names = [name for name in PREPROCESSORS if (folder / name).is_file()]
    # What is wrong with the weights is said when the model is prepared.
    with contextlib.suppress(ModelError, OSError):
        parts = [file.name for file in weight_files(folder)]
        index = next(name for name in WEIGHTS if (folder / name).is_file())
        names += dict.fromkeys([index, *parts])
    return ["config.json", *names]


def shards(index: Path) -> list[str]:
    """The names of the files that an index of weights lists, sorted.

    Raises:
        ModelError: it is no such index, or names a file elsewhere.
    """
    remedy = "copy or download the model again"
    content = _read_object(index, remedy)
    parts = content.get("weight_map")
    if not isinstance(parts, dict) or not parts or not all(isinstance(part, str) for part in parts.values()):
        raise ModelError(f"{printable(index)}: expected weight_map, {{tensor: file}}, found none; {remedy}")
    names = sorted(set(parts.values()))
    if wrong := [name for name in names if not re.fullmatch(r"[A-Za-z0-9][\w.-]*\.(safetensors|bin)", name)]:
        raise ModelError(
            f"{printable(index)}: expected names of files beside it, found {printable(some_of(wrong))}; {remedy}"
        )
    return names


def refuse_adapters(model: object, names: Iterable[str]) -> None:
    """Refuse a model folder with an adapter of peft: its neurons would be those of the model without the adapter.

    The language adapters of MMS (adapter.eng.safetensors) are other things: the model holds one of them itself.

    Raises:
        ModelError: there is one.
    """
    if found := sorted(set(names) & set(ADAPTERS)):
        raise ModelError(
            f"{printable(model)}: expected the weights of a whole model, found an adapter (LoRA, peft): "
            f"{', '.join(found)}; {_MERGE}; or remove its files, if the model without it is meant"
        )


def _refuse_pointer(file: Path) -> None:
    if file.stat().st_size < 1024 and file.read_bytes().startswith(b"version https://git-lfs"):
        raise ModelError(
            f"{printable(file)}: expected weights, found a pointer of git-lfs to them; "
            "run `git lfs pull` in the folder, or download the file"
        )


def read_header(file: Path) -> dict[str, Stored]:
    """The tensors of a safetensors file by its header, after checking the file's length against the header.

    Raises:
        ModelError: it is no whole safetensors file.
    """
    try:
        with safe_open(file, framework="numpy") as content:
            form = (content.metadata() or {}).get("format")
            if form in _OTHER_FORMS:
                raise ModelError(
                    f"{printable(file)}: expected weights as torch lays them out, found those of {form}, in other "
                    "orders of axes; convert the model back, or get the original"
                )
            slices = {name: content.get_slice(name) for name in content.keys()}  # noqa: SIM118 - no mapping
            return {name: Stored(part.get_dtype(), tuple(part.get_shape())) for name, part in slices.items()}
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{printable(file)}: expected weights in a whole safetensors file, found: {error}; "
            "copy or download the model again"
        ) from error


def check_stored(file: Path, tensors: Mapping[str, Stored]) -> None:
    """Check that stored tensors are a model's own, in floating point.

    Raises:
        ModelError: some are integers, have 8 bits or less, or belong to an adapter.
    """
    if lora := sorted(name for name in tensors if _LORA.search(name)):
        raise ModelError(
            f"{printable(file)}: expected the weights of a whole model, found parts of an adapter "
            f"({printable(some_of(lora))}); {_MERGE}"
        )
    wrong = sorted(f"{name}: {stored.dtype}" for name, stored in _of_another_type(tensors))
    if wrong:
        raise ModelError(
            f"{printable(file)}: expected tensors in floating point of 16, 32 or 64 bits, found "
            f"{printable(some_of(wrong))}; give the checkpoint from before it was quantised"
        )


def _of_another_type(tensors: Mapping[str, Stored]) -> Iterator[tuple[str, Stored]]:
    return (
        (name, stored)
        for name, stored in tensors.items()
        if stored.dtype not in _FLOATING and not _COUNTERS.search(name)
    )
