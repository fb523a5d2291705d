"""Erasing groups in a fine-tuned model: every condition against a plain loop, kills, and what does not fit."""

import dataclasses
import itertools
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from damage import DAMAGES
from safetensors.torch import load_file
from task_inputs import make_data, make_job, prepared, read_audio

from property_neurons.corpus import audio
from property_neurons.corpus.phones import PHONES
from property_neurons.counting.count_store import Counts
from property_neurons.counting.pitch_bins import bin_track
from property_neurons.editing.parts import divide_errors
from property_neurons.erasure import study as erasing
from property_neurons.erasure.study import Erasure, erase_groups
from property_neurons.errors import ModelError, TaskError
from property_neurons.models.loading import load_encoder
from property_neurons.models.prepare import LocalFolder, prepare_model
from property_neurons.neurons.definition import SetDefinition
from property_neurons.ranks.sites import Site
from property_neurons.stores.files import read_json, read_table
from property_neurons.tasks.f0_tracks import ln_f0
from property_neurons.tasks.table import KINDS, TaskData, read_task_data
from property_neurons.tasks.train import train_task

SPEECH = read_audio
WIDTH = 24
ERASURE = Erasure(column="gender", sigmas=[0.5], definition=SetDefinition(), doses=(0.5, 1.0), draws=2)
COLUMNS = {"speaker_identification": "gender", "phone_recognition": "label", "f0_reconstruction": "f0"}
GROUPS = {
    "gender": {"F": PHONES, "M": PHONES},
    "label": {"vowel": ("AH", "IY"), "rest": ("OW", "S")},
    "f0": {"low": PHONES, "middle": PHONES, "high": PHONES},
}


def made_counts(column, width=WIDTH, model="tuned"):
    """Counts of a property, drawn at random: a third of the neurons is often active, others in some groups."""
    cells = tuple((group, phone) for group, phones in GROUPS[column].items() for phone in phones)
    rng = np.random.default_rng(7)
    groups = list(GROUPS[column])
    store = {}
    for site in range(2):
        own = rng.integers(len(groups), size=width)
        often = np.array([[own[neuron] == groups.index(group) for neuron in range(width)] for group, _ in cells])
        store[f"counts/{site:02d}"] = np.where(often, 50, 0).astype(np.int64)
    return Counts(
        model=model,
        corpus="tones",
        property_name=column,
        sites=(Site(1, "1", width), Site(2, "2", width)),
        lambda_=0.1,
        tau=(2, 2),
        groups=tuple(groups),
        cells=cells,
        n=np.full(len(cells), 100),
        ties=(0, 0),
        unranked=0,
        pitch_cuts_hz=(200.0, 500.0) if column == "f0" else None,
        settings={},
        store=store,
    )


@pytest.fixture(scope="module")
def tuned_to(tmp_path_factory):
    """For a task: its kind, the manifests of its training and of the tuned model as a prepared one; trained once."""
    folder = tmp_path_factory.mktemp("tuned")
    data, model = make_data(folder), prepared(folder)

    @cache
    def tune(kind):
        job = make_job(folder / kind, data, model, kind, mode="fine_tuned")
        train_task(job)
        manifest = folder / f"{kind}-model.manifest.json"
        prepare_model(folder / f"{kind}-model", manifest, LocalFolder(f"{job.folder}/encoder"))
        return kind, f"{job.folder}.manifest.json", str(manifest)

    return tune


@pytest.fixture(scope="module", params=KINDS)
def tuned(request, tuned_to):
    return tuned_to(request.param)


@pytest.fixture(scope="module")
def erased(tuned, tmp_path_factory):
    """The folder of an undisturbed erasure."""
    return erase(tmp_path_factory.mktemp("erased"), tuned)


@pytest.fixture(scope="module")
def speakers(tuned_to):
    return tuned_to("speaker_identification")


def erase(folder, tuned, erasure=ERASURE, counts=None, selected=None):
    kind, training, model = tuned
    erasure = dataclasses.replace(erasure, column=COLUMNS[kind])
    counts = counts or made_counts(COLUMNS[kind])
    frames = [Path(read_json(training)["job"]["data"]).with_name("f.zarr")]
    arguments = (folder / "out", folder / "work", training, model, counts, erasure)
    erase_groups(*arguments, roots={"tones": ""}, selected=selected, frames=frames)
    return folder / "out"


def levenshtein(reference, hypothesis):
    """Least edits by dynamic programming."""
    row = list(range(len(hypothesis) + 1))
    for i, said in enumerate(reference, start=1):
        last, row[0] = row[0], i
        for j, heard in enumerate(hypothesis, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (said != heard))
    return row[-1]


def loop_errors(tuned, masks):
    """{utterance: (error, weight, surprisal)} of the test part, columns zeroed, one unpadded utterance at a time."""
    kind, training, model = tuned
    job = read_json(training)["job"]
    data = read_task_data(job["data"])
    encoder = load_encoder(model.removesuffix(".manifest.json"))
    head = load_file(Path(job["folder"]) / "head.safetensors")
    for site, mask in zip(encoder.sites, masks, strict=True):
        encoder.model.get_submodule(site.module).weight.data[:, np.flatnonzero(mask)] = 0
    errors = {}
    for row in data.part("test").itertuples():
        waveform = read_audio(Path(row.audio))
        with torch.inference_mode():
            states = [encoder.model(w.values).last_hidden_state[0] for w in encoder.front_end.windows(waveform)]
            state = torch.cat(states)[encoder.rows_of_frames(len(waveform))]
            if kind != "f0_reconstruction":
                state = state @ head["projector.weight"].T + head["projector.bias"]
            if kind == "speaker_identification":
                state = state.mean(0)
            outputs = (state @ head["output.weight"].T + head["output.bias"]).numpy()
        if kind == "speaker_identification":
            softly = -torch.log_softmax(torch.from_numpy(outputs).double(), 0)[data.labels.index(row.speaker)].item()
            errors[row.utterance] = (float(data.labels[outputs.argmax()] != row.speaker), 1.0, softly)
        elif kind == "phone_recognition":
            best = [unit - 1 for unit, _ in itertools.groupby(outputs.argmax(-1)) if unit]
            errors[row.utterance] = (float(levenshtein(list(row.reference), best)), float(len(row.reference)), np.nan)
        else:
            known = np.full(len(outputs), np.nan)
            known[: len(row.reference)] = row.reference[: len(outputs)]
            squares = np.square(outputs[:, 0] - known)
            errors[row.utterance] = (np.nansum(squares), float((~np.isnan(known)).sum()), np.nan)
    return errors


def loop_sets(counts, group, dose):
    """Group neurons: by more than lambda of the frames in half the group's phones, and in no other group."""
    masks = []
    for site in range(2):
        table, mask = counts.store[f"counts/{site:02d}"], np.zeros(WIDTH, dtype=bool)
        for neuron in range(WIDTH):
            shares = {}
            for name in counts.groups:
                rows = [at for at, cell in enumerate(counts.cells) if cell[0] == name]
                shares[name] = np.mean([table[row, neuron] > 10 for row in rows])
            mask[neuron] = [name for name, share in shares.items() if share >= 0.5] == [group]
        masks.append(mask)
    # All are as exclusive here: the first ones by layer and number.
    first = [(at, one) for at, mask in enumerate(masks) for one in np.flatnonzero(mask)]
    chosen = first[: int(dose * len(first) + 0.5)]
    return [np.array([(at, one) in chosen for one in range(WIDTH)]) for at in range(2)]


def test_every_condition_equals_a_loop_over_unpadded_utterances(tuned, erased):
    folder = erased
    counts = made_counts(COLUMNS[tuned[0]])
    conditions, scores = read_table(folder / "conditions.tsv"), read_table(folder / "scores.parquet")
    assert len(conditions) == 1 + len(counts.groups) * 2 * 3
    changed = False
    for number, condition in conditions.iterrows():
        if condition["kind"] == "random":
            continue
        masks = [np.zeros(WIDTH, dtype=bool)] * 2
        if condition["kind"] == "group":
            masks = loop_sets(counts, condition["erased"], condition["dose"])
            assert condition["neurons_per_layer"] == ",".join(str(int(mask.sum())) for mask in masks)
            assert condition["neurons"] > 0
        expected = loop_errors(tuned, masks)
        found = scores[(scores["condition"] == number) & (scores["part"] == "all")].set_index("utterance")
        assert set(found.index) == set(expected)
        for utterance, (error, weight, softly) in expected.items():
            assert found.loc[utterance, "error"] == pytest.approx(error, rel=1e-4, abs=1e-4)
            assert found.loc[utterance, "weight"] == weight
            assert found.loc[utterance, "surprisal"] == pytest.approx(softly, rel=1e-4, abs=1e-4, nan_ok=True)
        whole = scores[(scores["condition"] == 0) & (scores["part"] == "all")]["error"].to_numpy()
        changed |= not np.allclose(whole, found["error"].to_numpy(), atol=1e-3)
    # Coarser scores may stay as they are when a few neurons are erased.
    assert changed or tuned[0] != "f0_reconstruction"


def test_clips_of_an_utterance_are_added_up_as_in_the_training(tmp_path):
    kind = "speaker_identification"
    data, model = make_data(tmp_path), prepared(tmp_path)
    job = make_job(tmp_path, data, model, kind, mode="fine_tuned", settings={"test_seconds": 0.14, "test_clips": 3})
    train_task(job)
    prepare_model(tmp_path / "m", tmp_path / "m.manifest.json", LocalFolder(f"{job.folder}/encoder"))
    tuned = kind, f"{job.folder}.manifest.json", str(tmp_path / "m.manifest.json")
    scores = read_table(erase(tmp_path, tuned, dataclasses.replace(ERASURE, doses=(1.0,), draws=0)) / "scores.parquet")
    whole = scores[(scores["condition"] == 0) & (scores["part"] == "all")].reset_index(drop=True)
    trained = read_table(Path(job.folder) / "scores.tsv")
    columns = ["error", "weight", "utterance_error"]
    np.testing.assert_array_equal(whole[columns], trained[columns])
    assert set(whole["weight"]) == {1, 2, 3}
    assert (whole["surprisal"] > 0).all()


def test_parts_add_up(tuned, erased):
    scores = read_table(erased / "scores.parquet")
    sums = scores.assign(whole=scores["part"] == "all").groupby(["condition", "whole"])[["error", "weight"]].sum()
    parts, whole = sums.xs(False, level="whole"), sums.xs(True, level="whole")
    if tuned[0] == "phone_recognition":
        # Insertions are nobody's, and silence is in no group.
        assert (parts["error"] <= whole["error"]).all()
        assert (parts["weight"] <= whole["weight"]).all()
    else:
        np.testing.assert_allclose(parts, whole)


def test_random_neurons_are_as_many_in_each_layer(erased):
    conditions = read_table(erased / "conditions.tsv")
    edited = conditions[conditions["kind"] != "whole"]
    sizes = edited.groupby(["erased", "dose"])["neurons_per_layer"].nunique()
    assert (sizes == 1).all()
    assert edited.groupby(["erased", "dose"]).size().tolist() == [3] * len(sizes)


def chosen_by(masks_of):
    """A table of chosen neurons: {(selector, group): masks}."""
    rows = [
        (selector, group, layer, int(neuron))
        for (selector, group), masks in masks_of.items()
        for layer, mask in enumerate(masks, 1)
        for neuron in np.flatnonzero(mask)
    ]
    return pd.DataFrame(rows, columns=["selector", "group", "layer", "neuron"])


def test_what_selectors_choose_is_erased_beside_the_sets_and_random_neurons_like_it(speakers, tmp_path):
    counts = made_counts("gender")
    paper = {("paper", group): loop_sets(counts, group, 1.0) for group in counts.groups}
    # As many neurons of each layer, the first by number.
    first = {
        ("entropy", group): [np.arange(WIDTH) < mask.sum() for mask in masks] for (_, group), masks in paper.items()
    }
    erasure = dataclasses.replace(ERASURE, doses=(0.5, 1.0), draws=1, selectors=["entropy"])
    folder = erase(tmp_path, speakers, erasure, selected=chosen_by(paper | first))
    conditions, scores = read_table(folder / "conditions.tsv"), read_table(folder / "scores.parquet")
    assert conditions["selector"].tolist() == ["", *(["paper"] * 4 + ["entropy"] * 2) * 2]
    chosen = conditions[conditions["selector"] == "entropy"]
    assert set(chosen["dose"]) == {1.0}
    for number, condition in chosen[chosen["kind"] == "group"].iterrows():
        expected = loop_errors(speakers, first["entropy", condition["erased"]])
        found = scores[(scores["condition"] == number) & (scores["part"] == "all")].set_index("utterance")
        for utterance, (error, _, softly) in expected.items():
            assert found.loc[utterance, "error"] == error
            assert found.loc[utterance, "surprisal"] == pytest.approx(softly, rel=1e-4, abs=1e-4)
    sizes = conditions[conditions["dose"] == 1].groupby("erased")["neurons_per_layer"].nunique()
    assert (sizes == 1).all()
    with pytest.raises(TaskError, match=r"neurons of F by equations 3 to 5 .* found others in layer 1; compare"):
        erase(tmp_path / "other", speakers, erasure, selected=chosen_by(first))
    with pytest.raises(
        TaskError, match=r"expected neurons that entropy chooses on .*, found none of any group; compare"
    ):
        erase(tmp_path / "lacks", speakers, erasure, selected=chosen_by(paper))
    with pytest.raises(TaskError, match="expected the neurons that selectors choose, found none"):
        erase(tmp_path / "none", speakers, erasure)


def killed_after(scored):
    """The scoring of a condition, by a job that is killed when it has scored so many."""
    plain, calls = erasing.error_table, []

    def killed(*arguments):
        if len(calls) == scored:
            raise KeyboardInterrupt
        calls.append(1)
        return plain(*arguments)

    return killed


def test_an_utterance_that_there_is_room_for_is_decoded_once_for_all_conditions(speakers, tmp_path, monkeypatch):
    decoded = []
    monkeypatch.setattr(audio, "read_audio", lambda path: decoded.append(path.stem) or read_audio(path))
    monkeypatch.setattr(erasing, "_REMEMBERED_BYTES", 30_000)
    scores = erase(tmp_path, speakers, dataclasses.replace(ERASURE, doses=(1.0,), draws=0)) / "scores.parquet"
    assert set(Counter(decoded).values()) == {1, 3}
    assert set(decoded) == set(read_table(scores)["utterance"])


def test_a_killed_job_keeps_what_it_has_scored(tuned, erased, tmp_path, monkeypatch):
    undisturbed, plain = erased, erasing.error_table
    (tmp_path / "second").mkdir()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(erasing, "error_table", killed_after(4))
        erase(tmp_path / "second", tuned)
    assert not (tmp_path / "second/out").exists()
    (tmp_path / "second/work/of-other-settings.parquet").write_bytes(b"hours")
    again = []
    with monkeypatch.context() as patch:
        patch.setattr(erasing, "error_table", lambda *arguments: again.append(1) or plain(*arguments))
        resumed = erase(tmp_path / "second", tuned)
    for file in ("conditions.tsv", "scores.parquet", "description.json"):
        assert (resumed / file).read_bytes() == (undisturbed / file).read_bytes()
    assert 0 < len(again) <= len(read_table(undisturbed / "conditions.tsv")) - 4
    assert not (tmp_path / "second/work").exists()
    (aside,) = (tmp_path / "second/.old").iterdir()
    assert [file.name for file in aside.iterdir()] == ["of-other-settings.parquet"]


def test_a_damaged_score_of_before_is_named_and_made_anew(speakers, tmp_path, monkeypatch, caplog):
    for name in ("whole", "hurt"):
        (tmp_path / name).mkdir()
    undisturbed = erase(tmp_path / "whole", speakers)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(erasing, "error_table", killed_after(3))
        erase(tmp_path / "hurt", speakers)
    for damage, file in zip(DAMAGES, sorted((tmp_path / "hurt/work").glob("*.parquet")), strict=True):
        damage(file)
    resumed = erase(tmp_path / "hurt", speakers)
    assert (resumed / "scores.parquet").read_bytes() == (undisturbed / "scores.parquet").read_bytes()
    assert caplog.text.count("is scored again") == 2


def test_what_does_not_fit_is_refused(speakers, tmp_path):
    with pytest.raises(TaskError, match="expected groups among F, M, found 1272"):
        erase(tmp_path, speakers, dataclasses.replace(ERASURE, groups=["1272"]))
    others = dataclasses.replace(made_counts("gender"), groups=("others", "M"))
    with pytest.raises(
        TaskError, match=r"expected groups of other names than all, mean, others, own, .* found others;"
    ):
        erase(tmp_path, speakers, counts=others)
    with pytest.raises(ModelError, match=r"networks of \[24, 24\] neurons, found those of other, of \[20, 20\]"):
        erase(tmp_path, speakers, counts=made_counts("gender", width=20, model="other"))
    _, training, model = speakers
    erasure = dataclasses.replace(ERASURE, column="label")
    with pytest.raises(TaskError, match="property of label does not divide the errors of speaker_identification"):
        erase_groups(tmp_path / "o", tmp_path / "w", training, model, made_counts("label"), erasure, roots={})
    assert not (tmp_path / "out").exists()


def test_random_sets_are_those_of_partners_outside_and_lie_within_each_other():
    own = [np.arange(WIDTH) % 3 == 0, np.arange(WIDTH) < 5]
    # The other groups' neurons are the most alike, and still none is drawn while there are others.
    others = [np.arange(WIDTH) % 3 == 1, (np.arange(WIDTH) >= 5) & (np.arange(WIDTH) < 12)]
    traits = [np.stack([mine * 1.0 + theirs, np.arange(WIDTH)], 1) for mine, theirs in zip(own, others, strict=True)]
    partners = erasing._partners(own, others, traits, [7, 0])
    whole = erasing._of_partners(own, partners)
    some = erasing._of_partners([own[0] & (np.arange(WIDTH) < 9), own[1]], partners)
    assert [one.sum() for one in whole] == [one.sum() for one in own]
    assert all(not (drawn & mine).any() for drawn, mine in zip(whole, own, strict=True))
    assert not any((drawn & theirs).any() for drawn, theirs in zip(whole, others, strict=True))
    assert all(not (less & ~more).any() for less, more in zip(some, whole, strict=True))


def test_a_frozen_training_is_refused(tmp_path):
    job = make_job(tmp_path, make_data(tmp_path), prepared(tmp_path), "speaker_identification")
    train_task(job)
    tuned = ("speaker_identification", f"{job.folder}.manifest.json", job.model)
    with pytest.raises(TaskError, match="expected a training of mode fine_tuned, found frozen"):
        erase(tmp_path, tuned)


@pytest.mark.parametrize("action", ["mean", "clamp", "scale"])
def test_every_action_runs_and_differs_from_zero(speakers, tmp_path, action):
    kinds = {}
    for name in ("zero", action):
        (tmp_path / name).mkdir()
        one = dataclasses.replace(ERASURE, action=name, doses=(1.0,), draws=0, percentile=20.0, factor=-2.0)
        out = erase(tmp_path / name, speakers, one)
        kinds[name] = read_json(out / "description.json")["action"]
    assert kinds == {"zero": "zero", action: action}


def logits(units):
    """Outputs whose best unit in each frame is the given one; 0 is the blank."""
    return np.eye(6, dtype=np.float32)[units]


def test_phone_errors_are_those_of_the_phones_that_were_said():
    data = TaskData(None, ("AH0", "IY1", "S", "SIL"), {"kind": "phone_recognition"})
    divide = divide_errors(data, made_counts("label"), "label")
    # Said AH IY S SIL; heard AH AH (inserted) S: IY was heard as AH, silence left out.
    found = divide({}, logits([1, 1, 0, 1, 3]), np.array([0, 1, 2, 3, -100]))
    assert found == [("all", 2.0, 4.0), ("vowel", 1.0, 2.0), ("rest", 0.0, 1.0)]
    found = divide({}, logits([1, 2, 5, 3, 4]), np.array([0, 1, 2, 3]))
    assert found == [("all", 1.0, 4.0), ("vowel", 0.0, 2.0), ("rest", 0.0, 1.0)]


def test_f0_errors_go_by_the_range_that_was_to_be_found():
    track = np.array([100, 300, 800, np.nan, 400], dtype=np.float32)
    divide = divide_f0({"u": track})
    labels = ln_f0(track)
    outputs = labels + np.array([1, 2, 3, 9, 1], dtype=np.float32)
    outputs[3] = 0
    found = parts_of(divide, outputs, np.append(labels, np.nan))
    for part, wanted in {"all": (15, 4), "low": (1, 1), "middle": (5, 2), "high": (9, 1)}.items():
        assert found[part] == pytest.approx(wanted, rel=1e-5)
    # A track may end before, or after, what the model puts out.
    assert parts_of(divide, np.zeros(6), np.append(labels, [np.nan] * 2))["all"][1] == 4
    assert parts_of(divide, np.zeros(2), labels[:2])["all"][1] == 2


def test_errors_at_a_cut_are_of_the_range_in_which_their_frames_are_counted():
    """Through ln F0 in single precision and back, many of YAAPT's values are no longer what they were."""
    for lag in range(20, 225):
        cut = np.float32(16_000 / lag)
        track = np.array([np.nextafter(cut, np.float32(0)), cut, np.nextafter(cut, np.float32(900)), 900], np.float32)
        for cuts, counted in (((16_000 / lag, 850.0), [0, 0, 1, 2]), ((60.0, 16_000 / lag), [1, 1, 2, 2])):
            assert bin_track(track, cuts, "lower_bin").tolist() == counted
            scored = parts_of(divide_f0({"u": track}, cuts), np.zeros(4), ln_f0(track))
            assert [scored[part][1] for part in ("low", "middle", "high")] == np.bincount(counted, minlength=3).tolist()


def test_references_made_of_other_frames_are_refused():
    track = np.array([100, 300], dtype=np.float32)
    with pytest.raises(TaskError, match="u: expected the F0 that the task's references were made of"):
        parts_of(divide_f0({"u": track}), np.zeros(2), ln_f0(track + 1))


def divide_f0(f0, cuts=(200.0, 500.0)):
    counts = dataclasses.replace(made_counts("f0"), pitch_cuts_hz=cuts)
    return divide_errors(TaskData(None, (), {"kind": "f0_reconstruction"}), counts, "f0", f0)


def parts_of(divide, outputs, labels):
    return {part: (error, weight) for part, error, weight in divide({"utterance": "u"}, outputs, labels)}


def test_speakers_go_by_their_gender():
    data = TaskData(None, ("a", "b"), {"kind": "speaker_identification"})
    divide = divide_errors(data, made_counts("gender"), "gender")
    right = divide({"gender": "F"}, np.array([0.1, 0.9]), np.array([1]))
    assert right == [("all", 0.0, 1.0), ("F", 0.0, 1.0)]
    assert divide({"gender": "M"}, np.array([0.9, 0.1]), np.array([1]))[1] == ("M", 1.0, 1.0)
