"""What is downloaded from the hub, and what of it a local cache has to hold; the hub itself is a fake."""

import json
import shutil
from types import SimpleNamespace

import huggingface_hub
import pytest
import small_models
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, RepositoryNotFoundError
from safetensors.torch import save_file

from property_neurons.errors import ModelError
from property_neurons.models.hub import download, missing_from_cache
from property_neurons.models.prepare import model_source, prepare_model
from property_neurons.stores import files

COMMIT = "0123456789" * 4


class Hub:
    """A hub with one repository (a folder of this machine), and the local cache in its own layout."""

    def __init__(self, folder, cache):
        self.folder, self.cache, self.fetched, self.error = folder, cache / "models--a--b", [], None

    def model_info(self, _, model_id, revision, timeout):
        if self.error is not None:
            raise self.error
        names = [str(file.relative_to(self.folder)) for file in self.folder.rglob("*") if file.is_file()]
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in sorted(names)])

    def download(self, model_id, name, revision):
        if self.error is not None:
            raise LocalEntryNotFoundError("no network")
        if not (self.folder / name).is_file():
            raise EntryNotFoundError(f"404 {name}")
        self.fetched.append((name, revision))
        self.keep(name)
        return str(self.snapshot / name)

    @property
    def snapshot(self):
        return self.cache / "snapshots" / COMMIT

    def keep(self, *names):
        """Put files into the cache, as earlier downloads have."""
        for name in names:
            (self.snapshot / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.folder / name, self.snapshot / name)
        (self.cache / "refs").mkdir(exist_ok=True)
        (self.cache / "refs" / "main").write_text(COMMIT)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    (tmp_path / "repository").mkdir()
    hub = Hub(tmp_path / "repository", tmp_path / "cache")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *args, **fields: hub.model_info(*args, **fields))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub.download)
    return hub


def fill(hub, *names, model_type="hubert", **fields):
    (hub.folder / "config.json").write_text(json.dumps({"model_type": model_type} | fields))
    for name in names:
        (hub.folder / name).parent.mkdir(exist_ok=True)
        (hub.folder / name).write_bytes(b"{}")


def index(hub, name, *parts):
    (hub.folder / name).write_text(json.dumps({"weight_map": {f"t{at}": part for at, part in enumerate(parts)}}))


NOT_NEEDED = (
    "README.md",
    "tokenizer.json",
    "vocab.json",
    "adapter.eng.safetensors",
    "adapter.deu.bin",
    "model.fp16.safetensors",
    "checkpoint-500/model.safetensors",
    "checkpoint-500/optimizer.pt",
    "training_args.bin",
    "tf_model.h5",
    "flax_model.msgpack",
)


@pytest.mark.parametrize(
    ("beside", "weights"),
    [
        (("model.safetensors", "pytorch_model.bin"), {"model.safetensors"}),
        (("pytorch_model.bin",), {"pytorch_model.bin"}),
        (
            ("model-1.safetensors", "model-2.safetensors", "model-3.safetensors", "pytorch_model.bin"),
            {"model.safetensors.index.json", "model-1.safetensors", "model-2.safetensors"},
        ),
        (("part-1.bin", "part-2.bin"), {"pytorch_model.bin.index.json", "part-1.bin", "part-2.bin"}),
    ],
    ids=["safetensors", "bin", "shards", "shards-bin"],
)
def test_a_download_takes_what_the_model_needs_and_no_more(hub, beside, weights):
    fill(hub, *beside, *NOT_NEEDED, "preprocessor_config.json", "processor_config.json")
    for name in weights:
        if name.endswith("index.json"):
            index(hub, name, *(part for part in weights if part != name))
    assert download("a/b", "main") == hub.snapshot
    assert {name for name, _ in hub.fetched} == weights | {
        "config.json",
        "preprocessor_config.json",
        "processor_config.json",
    }
    # The branch once, so that the cache knows its commit; the others of that commit.
    assert [revision for _, revision in hub.fetched] == ["main"] + [COMMIT] * (len(hub.fetched) - 1)
    assert missing_from_cache("a/b") == []
    hub.error = ConnectionError("no network")
    assert download("a/b", "main") == hub.snapshot


def test_a_model_of_the_hub_is_prepared_with_its_commit(hub, tmp_path):
    model = small_models.small_model("WavLMModel")
    small_models.save_model(model, hub.folder, do_normalize=False)
    prepare_model(tmp_path / "m", tmp_path / "m.json", model_source("hub", id="a/b", revision="v1"))
    manifest = files.read_json(tmp_path / "m.json")
    source = {"kind": "hub", "id": "a/b", "revision": "v1", "normalise": None, "window_seconds": None}
    assert manifest["source"] == source | {"commit": COMMIT}

    torch.save(model.state_dict(), hub.folder / "pytorch_model.bin")
    (hub.folder / "model.safetensors").unlink()
    shutil.rmtree(hub.cache)
    prepare_model(tmp_path / "p", tmp_path / "p.json", model_source("hub", id="a/b", revision="v1"))
    assert files.read_json(tmp_path / "p.json") == manifest


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("adapter_config.json", "adapter_model.safetensors", "model.safetensors"), "an adapter .*merge_and_unload"),
        (("tf_model.h5", "flax_model.msgpack"), "expected weights .*found none of these"),
    ],
)
def test_a_repository_without_weights_of_its_own_is_refused(hub, names, found):
    fill(hub, *names)
    with pytest.raises(ModelError, match=rf"a/b.*{found}"):
        download("a/b", "main")
    assert not any("model" in name or "adapter" in name for name, _ in hub.fetched)


def test_a_repository_without_config_is_refused(hub):
    (hub.folder / "x.pt").write_bytes(b"")
    with pytest.raises(ModelError, match=r"a/b, revision main: expected a config\.json, found none among its 1 files"):
        download("a/b", "main")


INDEX = "model.safetensors.index.json"
NOT_FOUND = RepositoryNotFoundError("404", response=SimpleNamespace(headers={}, request=None))


@pytest.mark.parametrize(
    ("cached", "lacks"),
    [
        ((), "config.json"),
        (("config.json",), "preprocessor_config.json .* model.safetensors or pytorch_model.bin"),
        (("config.json", "preprocessor_config.json", INDEX, "a.safetensors"), "b.safetensors"),
        (("config.json", INDEX, "a.safetensors", "b.safetensors"), r"preprocessor_config\.json \(or set `normalise`\)"),
    ],
)
@pytest.mark.parametrize("error", [ConnectionError("Connection refused\nlong story"), NOT_FOUND], ids=["down", "404"])
def test_without_the_hub_a_snapshot_that_lacks_something_is_incomplete(hub, cached, lacks, error):
    fill(hub, "preprocessor_config.json", "a.safetensors", "b.safetensors")
    index(hub, INDEX, "a.safetensors", "b.safetensors")
    if cached:
        hub.keep(*cached)
    hub.error = error
    with pytest.raises(ModelError, match=rf"^a/b, revision main: .*(refused|404); .* lacks {lacks}.*local folder"):
        download("a/b", "main")


def test_settings_of_the_extractor_may_be_absent_where_that_is_known_or_does_not_matter(hub):
    fill(hub, "model.safetensors")
    hub.keep("config.json", "model.safetensors")
    assert missing_from_cache("a/b", normalise=False) == []
    assert missing_from_cache("a/b") == ["preprocessor_config.json (or set `normalise`)"]
    for name in ("preprocessor_config.json", "processor_config.json"):
        file = hub.cache / ".no_exist" / COMMIT / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert missing_from_cache("a/b") == []
    shutil.rmtree(hub.cache / ".no_exist")
    fill(hub, model_type="whisper")
    hub.keep("config.json")
    assert missing_from_cache("a/b") == []
    assert missing_from_cache("a/b", "other") == ["config.json"]


def test_a_snapshot_with_a_link_to_nothing_lacks_it(hub):
    fill(hub, "preprocessor_config.json", "model.safetensors")
    hub.keep("config.json", "preprocessor_config.json")
    (hub.snapshot / "model.safetensors").symlink_to("../../blobs/gone")
    assert missing_from_cache("a/b") == ["model.safetensors or pytorch_model.bin"]


def test_a_layer_norm_model_of_the_hub_without_settings_asks_for_normalise(hub, tmp_path):
    config = small_models.small_config("Wav2Vec2Model", feat_extract_norm="layer", do_stable_layer_norm=True)
    model = small_models.build(small_models.find_class("Wav2Vec2Model"), config)
    save_file(model.state_dict(), hub.folder / "model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(hub.folder)
    with pytest.raises(ModelError, match=r"preprocessor_config\.json .* `normalise` of the model"):
        prepare_model(tmp_path / "m", tmp_path / "m.json", model_source("hub", id="a/b"))
    prepare_model(tmp_path / "m", tmp_path / "m.json", model_source("hub", id="a/b", normalise=True))
    assert files.read_json(tmp_path / "m.json")["normalised"] is True
