"""Load a speech encoder and read its neurons."""

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError

# AutoConfig and AutoModel know the model type "melhubert" and those of pruned models once these have been imported.
import property_neurons.models.melhubert  # noqa: F401
from property_neurons.errors import ModelError, printable, some_of
from property_neurons.models.backend import no_init_weights, quiet_transformers, transformers
from property_neurons.models.batches import forward, reads_batches
from property_neurons.models.features import SAMPLING_RATE, FrontEnd, Window, load_front_end
from property_neurons.models.ffn import ffn_sites
from property_neurons.models.folder import check_blocks, read_config
from property_neurons.models.precision import full_precision
from property_neurons.models.pruned import base_type
from property_neurons.models.weights import Weights, stored_weights
from property_neurons.stores import manifests

Consumer = Callable[[int, torch.Tensor], None]

# Only used in training, and absent from many fine-tuned checkpoints.
_DISPENSABLE = {"masked_spec_embed"}
# `layers` as a whole word; a head of x-vectors has a `feature_extractor` too.
_ENCODER = re.compile(
    r"^(?!.*decoder)(.*\blayers\.\d+\.|([\w-]+\.)?(feature_extractor\.conv_layers|feature_projection|encoder)\.)"
)
# So many parameters may be asked for beyond what is stored: those that are missing are then named.
_SMALL = 1_000_000


class SpeechEncoder:
    """A speech Transformer whose feed-forward neurons can be read.

    model: the encoder, fp32, eval mode.
    front_end: from waveform to model input.
    sites: where neurons are read, in forward order.
    reads_batches: whether `read_windows` reads several windows at once.
    window_samples: samples of the window that the model fills up (Whisper), or None.
    """

    def __init__(self, model: torch.nn.Module, front_end: FrontEnd):
        self.model = model.eval()
        self.front_end = front_end
        self.sites = ffn_sites(model)
        self.reads_batches = reads_batches(model.config)
        self.window_samples = front_end.window_samples

    def n_frames(self, n_samples: int) -> int:
        """Number of 20 ms frames of speech that the model gives for an utterance of `n_samples` at 16 kHz.

        Raises:
            ModelError: the utterance is too short to give any.
        """
        self._check_length(n_samples)
        return self.front_end.n_frames(n_samples)

    def rows_of_frames(self, n_samples: int) -> np.ndarray:
        """Row, in the order in which `read` hands rows over, of each 20 ms frame; int64 [n_frames].

        The identity for most models; SEW gives one row for two frames.

        Raises:
            ModelError: the utterance is too short to give any.
        """
        self._check_length(n_samples)
        return self.front_end.rows_of_frames(n_samples)

    def read(self, waveform: np.ndarray, consumer: Consumer) -> None:
        """Run the model on one utterance and hand over every site's activations.

        Args:
            waveform: float32 [samples], 16 kHz.
            consumer: called as consumer(site index, activations [rows, width]) for each site in order, and for each
                window of an utterance that is longer than the model's window (Whisper); rows of the windows follow
                each other. Only rows of speech are handed over. The tensor is only lent: use it before returning.

        Raises:
            ModelError: the waveform is not float32 [samples], is too short, or the model did not give every site once.
        """
        self._check_waveform(waveform)
        for window in self.front_end.windows(waveform):
            self._read_batch([window], consumer)

    def windows(self, waveform: np.ndarray) -> list[Window]:
        """The windows of one utterance, float32 [samples] at 16 kHz, as the model takes them in; see `read`.

        Raises:
            ModelError: as `read`.
        """
        self._check_waveform(waveform)
        windows = self.front_end.windows(waveform)
        return [window.pin_memory() if self.model.device.type == "cuda" else window for window in windows]

    def read_windows(self, windows: Sequence[Window], consumer: Consumer) -> None:
        """As `read`, of windows that are read at once where the model can (`models.batches`), else one by one.

        Only rows of speech are handed over, those of each window after those of the one before.
        """
        for batch in [windows] if self.reads_batches else [[window] for window in windows]:
            self._read_batch(batch, consumer)

    @full_precision()
    @torch.inference_mode()
    def _read_batch(self, windows: Sequence[Window], consumer: Consumer) -> None:
        reached = []
        expected = len(windows), max(window.rows for window in windows)
        places = _speech_places(windows, expected[1]).to(self.model.device) if len(windows) > 1 else None

        def hand_over(index: int, activations: torch.Tensor) -> None:
            if activations.shape[:2] != expected:
                raise ModelError(
                    f"{type(self.model).__name__}, site {self.sites[index].name}: expected {expected[0]} x "
                    f"{expected[1]} rows, found {list(activations.shape[:2])}; this is a bug in property_neurons.models"
                )
            reached.append(index)
            if places is None:
                consumer(index, activations[0, : windows[0].speech_rows])
            else:
                consumer(index, activations.flatten(0, 1)[places])

        with ExitStack() as hooks:
            for index, site in enumerate(self.sites):
                linear = self.model.get_submodule(site.module)
                hook = linear.register_forward_pre_hook(lambda _, inputs, index=index: hand_over(index, inputs[0]))
                hooks.enter_context(hook)
            forward(self.model, windows)
        if reached != list(range(len(self.sites))):
            raise ModelError(
                f"{type(self.model).__name__}: expected each of {len(self.sites)} sites once and in order, found "
                f"{reached}; this is a bug in property_neurons.models.ffn"
            )

    def _check_waveform(self, waveform: np.ndarray) -> None:
        if waveform.ndim != 1 or waveform.dtype != np.float32:
            raise ModelError(
                f"expected a waveform of float32 [samples], found {waveform.dtype} {list(waveform.shape)}; "
                "mix it down to one channel and convert it"
            )
        self._check_length(len(waveform))

    def _check_length(self, n_samples: int) -> None:
        if n_samples < self.front_end.min_samples:
            raise ModelError(
                f"utterance of {n_samples} samples ({1000 * n_samples / SAMPLING_RATE:.1f} ms): "
                f"{type(self.model).__name__} needs at least {self.front_end.min_samples} samples at 16 kHz; "
                "leave the utterance out"
            )


def _speech_places(windows: Sequence[Window], rows: int) -> torch.Tensor:
    """Where the speech rows of the windows lie in a batch of so many rows each, flattened; int64."""
    return torch.cat([index * rows + torch.arange(window.speech_rows) for index, window in enumerate(windows)])


def load_encoder(folder: str | Path, *, manifest: str | Path | None = None, device: str = "cpu") -> SpeechEncoder:
    """Load a speech encoder from a local `from_pretrained` folder, in fp32.

    Args:
        folder: local model folder; a checkpoint with a head gives its base model, Whisper its encoder.
        manifest: what `prepare.prepare_model` wrote about the folder; the folder's files are held against it.
        device: torch device.

    Raises:
        ModelError: the folder is missing, incomplete, or of a class whose neurons are not known; some weight of the
            model is not in it.
        StoreError: the manifest is missing or unreadable, or the folder is not what it says.
    """
    folder = Path(folder)
    if manifest is not None:
        manifests.verify_files(folder, manifest)
    model = load_base_model(folder, dtype=torch.float32).to(device)
    return SpeechEncoder(model, load_front_end(folder, model.config))


def load_base_model(folder: Path, dtype: torch.dtype | str) -> "transformers.PreTrainedModel":
    """Load the base model (for Whisper: the encoder) of a local folder; every weight that matters comes from it.

    What config.json says about attention kernels, precision and outputs is not followed; code that a folder or the hub
    brings along is never run. No more memory is taken than twice what the weights fill.

    Args:
        folder: local `from_pretrained` folder.
        dtype: torch dtype, or "auto" for the precision in which the weights are stored (the wider of two).

    Raises:
        ModelError: as `load_encoder`.
    """
    config = load_config(folder)
    model_class = _base_class(config)
    with quiet_transformers(), stored_weights(folder, whisper=base_type(config) == "whisper") as weights:
        _check_size(folder, config, model_class, weights)
        try:
            # From its state, not from the folder: of that, transformers would follow adapters and much else.
            model, report = model_class.from_pretrained(
                None,
                config=config,
                state_dict=weights.tensors,
                dtype=weights.dtype if dtype == "auto" else dtype,
                output_loading_info=True,
                # Those are in the report, by name, and refused there.
                ignore_mismatched_sizes=True,
                trust_remote_code=False,
                use_kernels=False,
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise ModelError(
                f"{printable(folder)}: expected the weights of a {config.model_type} model, found: "
                f"{_first_line(error)}; prepare or download the model again"
            ) from error
    ffn_sites(model)
    _check_report(folder, report)
    _check_finite(folder, model)
    return model


def load_config(folder: Path) -> "transformers.PreTrainedConfig":
    """Read the config.json of a local model folder.

    Raises:
        ModelError: there is none, it contradicts itself, or its model type is none whose neurons are known.
    """
    fields = read_config(folder)
    try:
        return transformers.CONFIG_MAPPING[fields["model_type"]].from_dict(fields)
    except (StrictDataclassError, AttributeError, KeyError, TypeError, ValueError) as error:
        # The reason is in its cause; its own first line only names the check.
        raise ModelError(
            f"{printable(folder)}: expected a config.json that fits together, found: "
            f"{_first_line(error.__cause__ or error)}; correct config.json"
        ) from error


def new_base_model(config: "transformers.PreTrainedConfig") -> "transformers.PreTrainedModel":
    """A base model of this config in single precision, with the random weights that transformers begins with."""
    return _base_class(config)._from_config(config, dtype=torch.float32)


def _base_class(config: "transformers.PreTrainedConfig") -> type["transformers.PreTrainedModel"]:
    if config.model_type == "whisper":
        return whisper_encoder_class()
    return transformers.MODEL_MAPPING[type(config)]


def _check_size(folder: Path, config, model_class: type, weights: Weights) -> None:
    """Compare the sizes in config.json with the stored weights before anything is built: the sizes may be absurd."""
    # Each of these makes a module, which takes memory before it has weights.
    counts = ["num_adapter_layers"] + ["num_conv_pos_embeddings"] * (base_type(config) == "data2vec-audio")
    check_blocks(folder, config.to_dict(), weights.n_blocks)
    for key in counts:
        if (getattr(config, key, None) or 0) > len(weights.stored):
            raise ModelError(
                f"{printable(folder / 'config.json')}, {key}: expected no more than the {len(weights.stored)} tensors "
                f"that the weights are, found {getattr(config, key):,}; give config.json and weights of one model"
            )
    try:
        with torch.device("meta"), no_init_weights():
            skeleton = model_class(config)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(
            f"{printable(folder / 'config.json')}: expected the settings of a {config.model_type} model, found: "
            f"{_first_line(error)}; give the config.json that was saved with the weights"
        ) from error
    asked = sum(parameter.numel() for parameter in skeleton.parameters())
    if getattr(config, "position_embeddings_type", None) == "relative":
        # Made when the model is, and not stored.
        asked += 2 * config.max_source_positions * config.hidden_size
    if asked > 2 * weights.n_elements + _SMALL:
        raise ModelError(
            f"{printable(folder)}: expected weights for the {asked:,} parameters that config.json asks for, found "
            f"{weights.n_elements:,} numbers; give config.json and weights of one model"
        )


def _check_finite(folder: Path, model: torch.nn.Module) -> None:
    for name, values in (*model.named_parameters(), *model.named_buffers()):
        # One pass without a copy; a sum of finite numbers may overflow all the same.
        precision = torch.float64 if values.dtype == torch.float64 else torch.float32
        if not torch.isfinite(values.sum(dtype=precision)) and not torch.isfinite(values).all():
            raise ModelError(
                f"{printable(folder)}: expected finite weights, found NaN or infinity in {name}; give a checkpoint "
                "from before its training diverged, or copy the file again"
            )


def whisper_encoder_class() -> type["transformers.PreTrainedModel"]:
    """The class of Whisper's encoder alone, which transformers does not export at its top level."""
    return transformers.models.whisper.modeling_whisper.WhisperEncoder


def _check_report(folder: Path, report: dict) -> None:
    missing = sorted(set(report["missing_keys"]) - _DISPENSABLE)
    if missing:
        raise ModelError(
            f"{printable(folder)}: expected every weight of the encoder, found none for {len(missing)} of them "
            f"({missing[0]}, ...), which would be random{_instead(report)}; give a complete checkpoint"
        )
    if report["mismatched_keys"]:
        name, found, expected = sorted(report["mismatched_keys"])[0]
        raise ModelError(
            f"{printable(folder)}: expected {name} of shape {list(expected)}, found {list(found)}; "
            "give config.json and weights of one model"
        )
    # Heads and Whisper's decoder are rightly left out; what belongs to the encoder, or comes before it, never is.
    surplus = sorted(key for key in report["unexpected_keys"] if _ENCODER.search(key))
    if surplus:
        raise ModelError(
            f"{printable(folder)}: the weights hold parts of the encoder for which config.json has no place "
            f"({printable(some_of(surplus))}); correct config.json: num_hidden_layers (encoder_layers) where they are "
            "Transformer blocks, feat_extract_norm, conv_bias and the like where they are not"
        )


def _instead(report: dict) -> str:
    return f"; the weights hold {printable(some_of(sorted(report['unexpected_keys'])))}" * bool(
        report["unexpected_keys"]
    )


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no detail'}"
