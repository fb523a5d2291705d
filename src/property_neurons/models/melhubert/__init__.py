"""MelHuBERT (Lin, Lee, Tang, ASRU 2023): HuBERT's encoder behind a log-Mel front end, as `transformers` classes.

Importing this package makes AutoConfig, AutoModel and AutoFeatureExtractor know the model type "melhubert".
"""

from property_neurons.models.backend import transformers
from property_neurons.models.melhubert.configuration import MelHubertConfig
from property_neurons.models.melhubert.features import MelHubertFeatureExtractor
from property_neurons.models.melhubert.modeling import MelHubertForPreTraining, MelHubertModel

__all__ = ["MelHubertConfig", "MelHubertFeatureExtractor", "MelHubertForPreTraining", "MelHubertModel"]

transformers.AutoConfig.register(MelHubertConfig.model_type, MelHubertConfig, exist_ok=True)
transformers.AutoModel.register(MelHubertConfig, MelHubertModel, exist_ok=True)
transformers.AutoModelForPreTraining.register(MelHubertConfig, MelHubertForPreTraining, exist_ok=True)
transformers.AutoFeatureExtractor.register(MelHubertConfig, MelHubertFeatureExtractor, exist_ok=True)
