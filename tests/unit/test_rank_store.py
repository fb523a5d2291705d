import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest

from property_neurons.errors import StoreError
from property_neurons.ranks.sites import Site, active_neurons
from property_neurons.ranks.store import new_ranks, open_ranks
from property_neurons.stores.files import read_json
from property_neurons.stores.manifests import manifest_path
from property_neurons.stores.zarr import add_array, new_store

SITES = [Site(1, "1", 100), Site(2, "2.1", 250)]


def parts(**changes):
    rng = np.random.default_rng(0)
    ids = [
        np.argsort(rng.random((7, site.width)))[:, :k].astype(np.uint16) for site, k in zip(SITES, (2, 5), strict=True)
    ]
    given = {
        "model": "tiny",
        "utterances": ["a", "b", "c"],
        "sites": SITES,
        "lambda_max": 0.02,
        "frames": "all",
        "offset": np.array([0, 3, 3, 7]),
        "frame": np.array([0, 1, 2, 0, 1, 2, 3]),
        "ids": ids,
        "ties": [np.array([1, 0]), np.arange(5)],
    }
    return given | changes


def write_ranks(path, *, ids, **others):
    with new_ranks(path, **others) as writer:
        writer.append(ids)


def write_anything(path, *, sites, ids, ties, offset, frame, **attributes):
    """A store of the contract's layout, whatever is put in it."""
    with new_store(path) as store:
        add_array(store, "offset", np.asarray(offset, np.int64))
        add_array(store, "frame", np.asarray(frame, np.int32))
        for site, (site_ids, site_ties) in enumerate(zip(ids, ties, strict=True)):
            add_array(store, f"ranks/{site:02d}", site_ids)
            add_array(store, f"ties/{site:02d}", site_ties)
        sizes = {"sites": [asdict(site) for site in sites], "k": [site_ids.shape[1] for site_ids in ids]}
        store.attrs.update(attributes | sizes)


def test_what_is_written_is_read(tmp_path):
    written = parts()
    write_ranks(tmp_path / "x-000.zarr", **written)
    ranks = open_ranks(tmp_path / "x-000.zarr")
    assert (ranks.model, ranks.utterances, ranks.sites) == ("tiny", ("a", "b", "c"), tuple(SITES))
    assert (ranks.k, ranks.lambda_max, ranks.frames) == ((2, 5), 0.02, "all")
    assert ranks.offset.dtype == np.int64
    assert ranks.frame.dtype == np.int32
    np.testing.assert_array_equal(ranks.offset, written["offset"])
    np.testing.assert_array_equal(ranks.frame, written["frame"])
    for site in range(2):
        assert ranks.ids(site, 2).dtype == np.uint16
        np.testing.assert_array_equal(ranks.ids(site, 2), written["ids"][site][:, :2])
        assert [ranks.tied_rows(site, tau) for tau in (1, 2)] == written["ties"][site][:2].tolist()


def test_the_layout_is_the_one_of_the_contract(tmp_path):
    write_ranks(tmp_path / "x-000.zarr", **parts())
    attrs = json.loads((tmp_path / "x-000.zarr/zarr.json").read_text())["attributes"]
    assert attrs == {
        "model": "tiny",
        "utterances": ["a", "b", "c"],
        "sites": [{"layer": 1, "name": "1", "width": 100}, {"layer": 2, "name": "2.1", "width": 250}],
        "k": [2, 5],
        "lambda_max": 0.02,
        "frames": "all",
    }
    assert {path.name for path in (tmp_path / "x-000.zarr").iterdir()} == {
        "zarr.json",
        "offset",
        "frame",
        "ranks",
        "ties",
    }


def test_writing_twice_gives_the_same_bytes(tmp_path):
    write_ranks(tmp_path / "x.zarr", **parts())
    write_ranks(tmp_path / "y.zarr", **parts())
    assert manifest_path(tmp_path / "x.zarr").read_bytes() == manifest_path(tmp_path / "y.zarr").read_bytes()


def test_a_shard_without_utterances(tmp_path):
    empty = parts(
        utterances=[],
        offset=np.zeros(1),
        frame=np.empty(0),
        ids=[np.empty((0, 2), np.uint16), np.empty((0, 5), np.uint16)],
        ties=[np.zeros(2, np.int64), np.zeros(5, np.int64)],
    )
    write_ranks(tmp_path / "x.zarr", **empty)
    ranks = open_ranks(tmp_path / "x.zarr")
    assert ranks.utterances == ()
    assert ranks.ids(1, 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("lambda_", "width", "tau"), [(0.01, 3072, 31), (0.01, 1536, 15), (0.02, 3072, 61), (0.01, 20, 1)]
)
def test_active_neurons(lambda_, width, tau):
    assert active_neurons(lambda_, width) == tau


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"offset": np.array([0, 3, 7])}, "offsets of 3 utterances"),
        ({"offset": np.array([0, 4, 3, 7])}, "offsets"),
        ({"offset": np.array([0, 3, 3, 6])}, "offsets"),
        ({"frame": np.array([0, 1, 1, 0, 1, 2, 3])}, "frame 1 after 1 in row 2"),
        ({"frame": np.array([0, 1, 2, 0, 2, 1, 3])}, "frame 1 after 2 in row 5"),
        ({"ids": [ids.astype(np.int32) for ids in parts()["ids"]]}, "site 1: expected ranks"),
        ({"ids": [parts()["ids"][0], parts()["ids"][1][:6]]}, "site 2.1: expected ranks"),
        ({"ties": [np.array([1, 0]), np.arange(4)]}, "site 2.1"),
        ({"lambda_max": 0.03}, "k = 3"),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path, changes, message):
    write_anything(tmp_path / "x.zarr", **parts(**changes))
    with pytest.raises(StoreError, match=message):
        open_ranks(tmp_path / "x.zarr")


def test_another_kind_of_store_is_refused(tmp_path):
    with new_store(tmp_path / "x.zarr") as store:
        add_array(store, "n", np.arange(3))
        store.attrs["model"] = "tiny"
    with pytest.raises(StoreError, match="expected a rank store"):
        open_ranks(tmp_path / "x.zarr")


def test_a_missing_chunk_is_noticed(tmp_path):
    write_ranks(tmp_path / "x.zarr", **parts())
    (tmp_path / "x.zarr/ranks/01/c/0/0").unlink()
    with pytest.raises(StoreError, match="ranks/01"):
        open_ranks(tmp_path / "x.zarr")


@pytest.mark.parametrize("gone", ["ranks/01/c/0/0", "ranks/01/c", "ranks/01", "."])
def test_a_chunk_that_goes_after_the_store_was_opened_is_no_zero(tmp_path, gone):
    write_ranks(tmp_path / "x.zarr", **parts())
    ranks = open_ranks(tmp_path / "x.zarr")
    path = tmp_path / "x.zarr" / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(StoreError, match=r"x.zarr: ranks/01/\S+ was there when the store was opened and is gone"):
        ranks.ids(1, 3)
    with pytest.raises(StoreError, match="is gone"):
        ranks.store.store.get_sync("ranks/01/c/0/0")


def test_the_same_store_comes_of_utterances_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr("property_neurons.ranks.store._ROWS_PER_CHUNK", 2)
    written = parts()
    write_ranks(tmp_path / "whole.zarr", **written)
    ids, rest = written["ids"], {key: value for key, value in written.items() if key != "ids"}
    with new_ranks(tmp_path / "pieces.zarr", **rest) as writer:
        for start, end in ((0, 3), (3, 3), (3, 7)):
            writer.append([site_ids[start:end] for site_ids in ids])
    whole, pieces = (read_json(manifest_path(tmp_path / f"{name}.zarr")) for name in ("whole", "pieces"))
    assert pieces == whole
    np.testing.assert_array_equal(open_ranks(tmp_path / "pieces.zarr").ids(1, 5), ids[1])


def test_a_store_of_fewer_rows_than_it_has_frames_is_not_kept(tmp_path):
    ids, rest = parts()["ids"], {key: value for key, value in parts().items() if key != "ids"}
    with (
        pytest.raises(StoreError, match="the ids of 7 rows, found those of 3"),
        new_ranks(tmp_path / "x.zarr", **rest) as writer,
    ):
        writer.append([site_ids[:3] for site_ids in ids])
    assert not (tmp_path / "x.zarr").exists()
