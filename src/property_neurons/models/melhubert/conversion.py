"""Released MelHuBERT checkpoints, converted to safetensors and config.json without running anything they hold.

A release is a torch pickle {Optimizer, Step, Args (an argparse.Namespace), Runner, model, Upstream_Config}. Its shapes
are read off its tensors, so that a pruned release is as good as a whole one; its names are put into HuBERT's.

    python -m property_neurons.models.melhubert.conversion CHECKPOINT FOLDER --statistics FILE
"""

import argparse
import re
from pathlib import Path

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError

from property_neurons.errors import ModelError, StoreError, message_alone
from property_neurons.models.backend import quiet_transformers
from property_neurons.models.log_mel import FRAMES_OF_10_MS, LogMelStatistics
from property_neurons.models.melhubert.configuration import MelHubertConfig
from property_neurons.models.melhubert.features import MelHubertFeatureExtractor
from property_neurons.models.melhubert.modeling import MelHubertForPreTraining
from property_neurons.models.pickles import check_tensors, read_pickle
from property_neurons.stores import files
from property_neurons.stores.outside import read_outside_json

# Names of MelHubertForPreTraining -> released names.
_RENAMINGS = (
    (r"^melhubert\.", ""),
    (r"^feature_projection\.projection\.", "pre_extract_proj."),
    (r"^encoder\.pos_conv_embed\.conv\.parametrizations\.weight\.original0$", "encoder.pos_conv.0.weight_g"),
    (r"^encoder\.pos_conv_embed\.conv\.parametrizations\.weight\.original1$", "encoder.pos_conv.0.weight_v"),
    (r"^encoder\.pos_conv_embed\.conv\.bias$", "encoder.pos_conv.0.bias"),
    (r"^(encoder\.layers\.\d+)\.layer_norm\.", r"\1.self_attn_layer_norm."),
    (r"^(encoder\.layers\.\d+)\.attention\.", r"\1.self_attn."),
    (r"^(encoder\.layers\.\d+)\.feed_forward\.intermediate_dense\.", r"\1.fc1."),
    (r"^(encoder\.layers\.\d+)\.feed_forward\.output_dense\.", r"\1.fc2."),
)

# Released settings -> fields of the config; they matter to further training alone.
_DROPOUTS = {
    "dropout": "hidden_dropout",
    "attention_dropout": "attention_dropout",
    "activation_dropout": "activation_dropout",
    "encoder_layerdrop": "layerdrop",
}

# Released settings that would make another network of the same tensors.
_FIXED = {"layer_norm_first": False, "activation_fn": "gelu", "attention_type": "original"}

_HEADS = "encoder_attention_heads"
_HEAD_SIZE = 64


def convert_release(
    checkpoint: str | Path, folder: str | Path, statistics: LogMelStatistics, heads: int | None = None
) -> None:
    """Write a released checkpoint as a `from_pretrained` folder of MelHubertForPreTraining, whole or not at all.

    Args:
        checkpoint: torch pickle, of either of torch's file formats.
        folder: absent or empty; gets model.safetensors, config.json and preprocessor_config.json.
        statistics: of the log-Mel bins, as the model was trained with.
        heads: attention heads; None = as the checkpoint says, or of size 64 where it does not.

    Raises:
        ModelError: as `load_release`.
        StoreError: `folder` holds something.
    """
    with files.new_folder(folder) as temporary, quiet_transformers():
        model, extractor = load_release(checkpoint, statistics, heads)
        model.save_pretrained(temporary)
        extractor.save_pretrained(temporary)


def load_release(
    checkpoint: str | Path, statistics: LogMelStatistics, heads: int | None = None
) -> tuple[MelHubertForPreTraining, MelHubertFeatureExtractor]:
    """The model (fp32, eval mode) and the feature extractor of a released checkpoint; arguments as `convert_release`.

    Raises:
        ModelError: no checkpoint, or one that holds more than data, tensors that do not make a MelHuBERT (all of them
            are named), settings of another network, statistics of another number of bins, heads that do not fit.
    """
    released = read_checkpoint(Path(checkpoint))
    tensors = _tensors(checkpoint, released)
    config = _config(checkpoint, tensors, _settings(released), len(statistics.mean), heads)
    model = MelHubertForPreTraining(config).eval()
    names = {name: _released_name(name) for name in model.state_dict()}
    _check_tensors(checkpoint, tensors, {names[name]: values for name, values in model.state_dict().items()})
    model.load_state_dict({name: tensors[released_name] for name, released_name in names.items()})
    extractor = MelHubertFeatureExtractor(statistics.mean, statistics.std, config.frame_ms, config.num_mel_bins)
    return model, extractor


def read_statistics(path: str | Path) -> LogMelStatistics:
    """Read log-Mel statistics: .npy of [mean, std], shape [2, bins], or .json {"mean": [...], "std": [...]}.

    Raises:
        ModelError: the file cannot be read, or is neither.
    """
    path = Path(path)
    expected = f'{path}: expected log-Mel statistics, .npy of shape [2, bins] or .json {{"mean": [...], "std": [...]}}'
    remedy = "give the file that was made with the model's training data"
    try:
        if path.suffix == ".npy":
            # Unpickling would run whatever the file holds.
            content = np.load(path, allow_pickle=False)
            if content.ndim != 2 or len(content) != 2:
                raise ModelError(f"{expected}, found shape {list(content.shape)}; {remedy}")
            mean, std = content.astype(np.float64)
        elif path.suffix == ".json":
            content = read_outside_json(path, remedy=remedy)
            mean, std = (np.asarray(content[name], np.float64) for name in ("mean", "std"))
        else:
            raise ModelError(f"{expected}, found suffix {path.suffix!r}; {remedy}")
    except StoreError as error:
        raise ModelError(str(error)) from None
    except (OSError, EOFError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{expected}, found {type(error).__name__}: {error}; {remedy}") from error
    try:
        return LogMelStatistics(mean, std)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def read_checkpoint(path: Path) -> dict:
    """What a released checkpoint holds.

    Raises:
        ModelError: it is absent, damaged, holds more than data, or no weights.
    """
    remedy = "give a released checkpoint, downloaded anew"
    content = read_pickle(path, expected="a released checkpoint", remedy=remedy, allowed=[argparse.Namespace])
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        found = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise ModelError(f"{path}: expected an entry `model` with the weights, found: {found or 'nothing'}; {remedy}")
    return content


def _settings(released: dict) -> dict:
    # One section of the config holds the settings; its name differs between releases.
    config = released.get("Upstream_Config")
    if not isinstance(config, dict):
        return {}
    sections = [config.get("melhubert"), config.get("hubert"), config, *config.values()]
    return next((section for section in sections if isinstance(section, dict) and _HEADS in section), {})


def _tensors(checkpoint: str | Path, released: dict) -> dict[str, torch.Tensor]:
    path = Path(checkpoint)
    wrong = sorted(
        str(name)
        for name, values in released["model"].items()
        if not (isinstance(values, torch.Tensor) and values.is_floating_point())
    )
    if wrong:
        raise ModelError(
            f"{path}: expected floating-point tensors in `model`, found something else under "
            f"{', '.join(wrong)}; give a released checkpoint"
        )
    return check_tensors(path, released["model"], "give a released checkpoint")


def _config(
    checkpoint: str | Path, tensors: dict[str, torch.Tensor], settings: dict, num_mel_bins: int, heads: int | None
) -> MelHubertConfig:
    def size(name: str, axis: int, default: int) -> int:
        # What is absent or misshapen keeps its default here, and is reported with the others afterwards.
        shape = tensors[name].shape if name in tensors else ()
        return shape[axis] if len(shape) > axis and shape[axis] > 0 else default

    other = {name: settings[name] for name, value in _FIXED.items() if settings.get(name, value) != value}
    if other:
        raise ModelError(
            f"{checkpoint}: expected settings {_FIXED}, found {other}, another network than MelHuBERT; "
            "give a released checkpoint of MelHuBERT"
        )
    base = MelHubertConfig()
    hidden = size("pre_extract_proj.weight", 0, base.hidden_size)
    input_size = size("pre_extract_proj.weight", 1, num_mel_bins * FRAMES_OF_10_MS[base.frame_ms])
    frame_ms = next((ms for ms, together in FRAMES_OF_10_MS.items() if num_mel_bins * together == input_size), None)
    if frame_ms is None:
        raise ModelError(
            f"{checkpoint}: expected {num_mel_bins} inputs (10 ms) or {2 * num_mel_bins} (20 ms), as the log-Mel "
            f"statistics have {num_mel_bins} bins, found {input_size}; give the statistics of this model"
        )
    heads = heads if heads is not None else settings.get(_HEADS, max(1, hidden // _HEAD_SIZE))
    if not isinstance(heads, int) or heads < 1 or hidden % heads:
        raise ModelError(
            f"{checkpoint}: expected a number of attention heads that divides {hidden}, found {heads}; "
            "give the model's own number"
        )
    layers = {match[0] for name in tensors if (match := re.match(r"encoder\.layers\.\d+\.", name))}
    n_layers = len(layers) or base.num_hidden_layers
    widths = [size(f"encoder.layers.{layer}.fc1.weight", 0, base.intermediate_size) for layer in range(n_layers)]
    channels = size("encoder.pos_conv.0.weight_v", 1, hidden)
    fields = dict(
        frame_ms=frame_ms,
        num_mel_bins=num_mel_bins,
        hidden_size=hidden,
        num_hidden_layers=n_layers,
        num_attention_heads=heads,
        intermediate_size=max(widths),
        intermediate_sizes=None if len(set(widths)) == 1 else widths,
        num_targets=size("final_proj.weight", 0, base.num_targets),
        num_conv_pos_embeddings=size("encoder.pos_conv.0.weight_v", 2, base.num_conv_pos_embeddings),
        num_conv_pos_embedding_groups=1 if hidden % channels else hidden // channels,
        **{field: settings[name] for name, field in _DROPOUTS.items() if name in settings},
    )
    try:
        return MelHubertConfig(**fields)
    except StrictDataclassError as error:
        raise ModelError(
            f"{checkpoint}: expected the settings of a MelHuBERT, found: {error.__cause__ or error}; "
            "give a released checkpoint"
        ) from error


def _released_name(name: str) -> str:
    for pattern, replacement in _RENAMINGS:
        name = re.sub(pattern, replacement, name)
    return name


def _check_tensors(checkpoint: str | Path, found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    missing = sorted(expected.keys() - found.keys())
    surplus = sorted(found.keys() - expected.keys())
    misshapen = [
        f"{name} {list(found[name].shape)} instead of {list(expected[name].shape)}"
        for name in sorted(expected.keys() & found.keys())
        if found[name].shape != expected[name].shape
    ]
    problems = {"missing": missing, "surplus": surplus, "of the wrong shape": misshapen}
    if any(problems.values()):
        listed = "; ".join(f"{what}: {', '.join(names)}" for what, names in problems.items() if names)
        raise ModelError(
            f"{checkpoint}: expected the tensors of a MelHuBERT, found {listed}; give a released checkpoint"
        )


def main() -> None:
    """Convert one checkpoint; a failure ends with its message and exit status 1."""
    parser = argparse.ArgumentParser(
        prog="python -m property_neurons.models.melhubert.conversion",
        description="Convert a released MelHuBERT checkpoint to a from_pretrained folder.",
    )
    parser.add_argument("checkpoint", type=Path, help="the released torch pickle")
    parser.add_argument("folder", type=Path, help="folder to write; must be absent or empty")
    parser.add_argument(
        "--statistics",
        type=Path,
        required=True,
        help="log-Mel mean and standard deviation of its training data: .npy of shape [2, bins], or .json",
    )
    parser.add_argument("--heads", type=int, help="attention heads, where the checkpoint does not say")
    arguments = parser.parse_args()
    with message_alone():
        statistics = read_statistics(arguments.statistics)
        convert_release(arguments.checkpoint, arguments.folder, statistics, arguments.heads)


if __name__ == "__main__":
    main()
