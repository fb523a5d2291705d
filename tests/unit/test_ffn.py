import pytest
import small_models
from torch import nn

from property_neurons.errors import ModelError
from property_neurons.models.ffn import ffn_sites

TWO_A_BLOCK = {"Wav2Vec2ConformerModel", "Wav2Vec2BertModel"}


@pytest.mark.parametrize("class_name", small_models.CLASS_NAMES)
def test_sites_of_every_class_name_the_second_linears_in_forward_order(class_name):
    model = small_models.small_model(class_name)
    sites = ffn_sites(model)
    if class_name in TWO_A_BLOCK:
        assert [(site.layer, site.name) for site in sites] == [(1, "1.1"), (1, "1.2"), (2, "2.1"), (2, "2.2")]
    else:
        assert [(site.layer, site.name) for site in sites] == [(1, "1"), (2, "2")]
    for site in sites:
        linear = model.get_submodule(site.module)
        assert (linear.in_features, linear.out_features) == (small_models.WIDTH, 16)
        assert site.width == small_models.WIDTH


def test_the_sites_are_all_linears_of_the_feed_forward_width():
    # Widths are unlike any other dimension of the small models, so a forgotten feed-forward network would show.
    for class_name in small_models.CLASS_NAMES:
        model = small_models.small_model(class_name)
        wide = {
            name
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear) and module.in_features == small_models.WIDTH
        }
        assert {site.module for site in ffn_sites(model)} == wide


def test_widths_may_differ_between_layers():
    model = small_models.small_model("HubertModel")
    model.encoder.layers[1].feed_forward.output_dense = nn.Linear(7, 16)
    assert [site.width for site in ffn_sites(model)] == [small_models.WIDTH, 7]


def test_an_unknown_class_is_refused_by_name_with_the_known_ones():
    with pytest.raises(ModelError, match=r"^Linear: expected .*HubertModel.*WhisperEncoder"):
        ffn_sites(nn.Linear(2, 2))
