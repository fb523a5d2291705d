"""The MelHuBERT that a stage is given: to train on, or to cluster a layer of."""

from pathlib import Path

from property_neurons.errors import ModelError
from property_neurons.models.loading import load_config
from property_neurons.models.melhubert import MelHubertConfig
from property_neurons.pretraining.log_mel_store import read_statistics


def check_input_model(folder: str | Path, statistics: str | Path, what: str, remedy: str) -> MelHubertConfig:
    """The config of a model folder, fit for log-Mel frames as they are stored.

    Args:
        statistics: JSON of the log-Mel statistics, which has as many bins as the frames.
        what: begins the message of an error: whose model it is, and what for.
        remedy: ends it: what to do.

    Raises:
        ModelError: the model is no MelHuBERT, or takes in other log-Mel bins.
        StoreError: a file is absent.
    """
    config = load_config(Path(folder))
    if config.model_type != MelHubertConfig.model_type:
        # Others would be read with weights drawn at random, or fail without a word of why.
        raise ModelError(f"{what}: expected a MelHuBERT, found a {config.model_type} in {folder}; {remedy}")
    bins = len(read_statistics(statistics).mean)
    if config.num_mel_bins != bins:
        raise ModelError(
            f"{what}: expected a MelHuBERT of {bins} log-Mel bins, found one of {config.num_mel_bins} in {folder}; "
            f"{remedy}"
        )
    return config
