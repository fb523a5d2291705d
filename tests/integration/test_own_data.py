"""Corpora of one's own through the real Snakemake: a Montreal Forced Aligner's tree at 44.1 kHz, TIMIT, a table,
other phones."""

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from property_neurons.corpus.phone_tables import SHIPPED
from property_neurons.corpus.phones import LABELS, PHONE_CLASSES, PHONES
from property_neurons.corpus.textgrid import read_textgrid
from property_neurons.stores.files import read_table
from tests.integration.project import Project
from tests.unit import small_models

pytestmark = [pytest.mark.integration, pytest.mark.slow]

CORPORA = {
    "mfa": {
        "kind": "folder",
        "root": "recordings",
        "recordings": "{speaker}/{utterance}.wav",
        "alignment": "aligned/{speaker}/{utterance}.TextGrid",
        "speakers": "speakers.csv",
        "phones": {"set": "ipa-english-mfa"},
        "audio": {"resample": True, "channels": "mix"},
        "pitch": {"method": "praat"},
    },
    "timit": {
        "kind": "folder",
        "root": "TIMIT",
        "recordings": "{part}/{dialect}/{gender:1}{name}/{sentence}.wav",
        "speaker": "{gender}{name}",
        "utterance": "{gender}{name}_{sentence}",
        "alignment": "TIMIT/{part}/{dialect}/{gender}{name}/{sentence}.phn",
        "phones": {"set": "timit"},
        "pitch": {"method": "praat"},
    },
    "own": {"kind": "table", "table": "table.tsv", "pitch": {"method": "praat"}},
    "phones": {
        "kind": "table",
        "table": "table.tsv",
        "phones": {"set": "file", "path": "phones.tsv"},
        "pitch": {"method": "praat"},
    },
}
CONFIG = {
    "data_root": "data",
    "corpora": CORPORA,
    "models": {"tiny": {"kind": "folder", "path": "tiny"}},
    "properties": {
        "accent": {"column": "accent"},
        "dialect": {"column": "dialect"},
        "age": {"column": "age", "cuts": [40]},
        "class": {"column": "label", "groups": "classes"},
    },
    "statistics": {"permutations": 19, "halves": 2},
    "figures": {"corpus": "own", "model": "tiny"},
}
TARGETS = [
    f"results/neurons/tiny/{name}.parquet" for name in ("mfa/accent", "timit/dialect", "timit/gender", "own/age")
]
# Found of the same speech, its phones once called otherwise.
RENAMED = [
    tuple(f"results/neurons/tiny/{corpus}/{name}.parquet" for corpus in ("own", "phones"))
    for name in ("single_phone", "class")
]


@pytest.fixture
def project(demo_speech, tmp_path):
    """The speech of the demo corpus in three layouts, four voices each."""
    project = Project.copy(tmp_path / "project", CONFIG)
    data = project.folder / "data"
    rows = []
    for number, folder in enumerate(sorted((demo_speech / "LibriSpeech/demo").iterdir())):
        who = ("Anna", "Bo", "Cléo", "dan")[number]
        for place, audio in enumerate(sorted(folder.rglob("*.flac"))):
            grid = next((demo_speech / "alignments").rglob(f"{audio.stem}.TextGrid"))
            samples, alignment = soundfile.read(audio)[0], read_textgrid(grid)
            _mfa(data, who, f"{who} {place}", samples, alignment)
            _timit(data, number, place, samples, alignment)
            rows.append(f"{audio}\t{folder.name}\t{grid}\t{(25, 35, 45, 55)[number]}")
    (data / "speakers.csv").write_text(
        "speaker;accent\nAnna;Welsh\nBo;Scots\nCléo;Welsh\ndan;Scots\n", encoding="utf-8"
    )
    (data / "table.tsv").write_text("\n".join(["audio\tspeaker\talignment\tage", *rows]), encoding="utf-8")
    rows = [f"{phone}\t{phone.lower()}_\t{name}\n" for name, own in PHONE_CLASSES.items() for phone in reversed(own)]
    (data / "phones.tsv").write_text("label\tphone\tclass\n" + "".join(reversed(rows)))
    small_models.save_model(small_models.small_model("HubertModel"), project.folder / "tiny")
    return project


def _spelled(table, alignment):
    """The labels of an alignment, in another spelling."""
    by_phone = {phone: label for label, (phone, _) in reversed(SHIPPED[table].spelled.items())}
    return [by_phone.get(LABELS[label], "") for label in alignment.labels]


def _mfa(data, who, name, samples, alignment):
    (data / "recordings" / who).mkdir(parents=True, exist_ok=True)
    (data / "aligned" / who).mkdir(parents=True, exist_ok=True)
    wide = resample_poly(samples, 441, 160) * 0.9
    soundfile.write(data / "recordings" / who / f"{name}.wav", np.stack([wide, wide], axis=1), 44_100)
    end, texts = alignment.end / 1e6, _spelled("ipa-english-mfa", alignment)
    segments = zip(alignment.starts / 1e6, alignment.ends / 1e6, texts, strict=True)
    intervals = "".join(f'{start}\n{stop}\n"{text}"\n' for start, stop, text in segments)
    header = f'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n{end}\n<exists>\n1\n'
    tier = f'"IntervalTier"\n"{who} - phones"\n0\n{end}\n{len(texts)}\n{intervals}'
    (data / "aligned" / who / f"{name}.TextGrid").write_text(header + tier, encoding="utf-8")


def _timit(data, number, place, samples, alignment):
    folder = data / f"TIMIT/TRAIN/DR{1 + number // 2}/{'FM'[number % 2]}XYZ{number}"
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / f"SX{place}.WAV", samples, 16_000, format="NIST", subtype="PCM_16")
    edges = [(us * 16_000 // 1_000_000).tolist() for us in (alignment.starts, alignment.ends)]
    lines = zip(*edges, [text or "h#" for text in _spelled("timit", alignment)], strict=True)
    (folder / f"SX{place}.PHN").write_text("".join(f"{start} {end} {text}\n" for start, end, text in lines))


def test_three_layouts_from_the_raw_tree_to_neurons(project):
    project.snakemake(*TARGETS, *(path for pair in RENAMED for path in pair))
    corpora = project.folder / "results/corpora"
    tables = {name: read_table(corpora / f"{name}/utterances.parquet") for name in CORPORA}
    assert len({len(table) for table in tables.values()}) == 1
    assert set(tables["mfa"]["speaker"]) == {"Anna", "Bo", "Cléo", "dan"}
    assert set(tables["mfa"]["gender"]) == {""}
    assert read_table(corpora / "own/columns.parquet")["age"].dtype == np.float64
    # One speech in three spellings, the first at another rate and back: as long, and of the same phones.
    lengths = {name: sorted(table["n_samples"]) for name, table in tables.items()}
    assert lengths["timit"] == lengths["own"]
    assert np.abs(np.array(lengths["mfa"]) - lengths["own"]).max() <= 1
    segments = {name: read_table(next((corpora / name / "subsets").rglob("segments.parquet"))) for name in CORPORA}
    phones = {name: np.bincount(table["label"], minlength=41)[:39] for name, table in segments.items()}
    assert sorted(phones["phones"]) == sorted(phones["own"]) and phones["phones"].tolist() != phones["own"].tolist()
    assert phones["mfa"].tolist() == phones["own"].tolist() == phones["timit"].tolist()
    report = read_table(corpora / "mfa/report.tsv")
    assert report["code"].value_counts().to_dict() == dict.fromkeys(["resampled", "channels_mixed"], len(tables["mfa"]))
    groups = {target: set(read_table(project.folder / target)["group"]) for target in TARGETS}
    assert groups[TARGETS[0]] == {"Scots", "Welsh"}
    assert groups[TARGETS[1]] == {"DR1", "DR2"}
    assert groups[TARGETS[2]] == {"F", "M"}
    assert len(groups[TARGETS[3]]) == 2
    for one, other in RENAMED:
        columns = ["layer", "group", "neuron", "exclusive"]
        own, renamed = (read_table(project.folder / path)[columns] for path in (one, other))
        names = {f"{phone.lower()}_": phone for phone in PHONES}
        renamed["group"] = [names.get(group, group) for group in renamed["group"]]
        assert len(own)
        assert set(own.itertuples(index=False, name=None)) == set(renamed.itertuples(index=False, name=None))
    assert project.planned_rules(*TARGETS, *(path for pair in RENAMED for path in pair)) == set()
    printed = project.snakemake("results/neurons/tiny/phones/manner.parquet", fails=True)
    assert "property manner: expected groups of the corpus's phones (" in printed.replace("\n", " ")

    # Whatever of the user's own is corrected or added is counted anew, and no recording is read again.
    speakers, table = (project.folder / "data" / name for name in ("speakers.csv", "table.tsv"))
    speakers.write_text(speakers.read_text(encoding="utf-8").replace("dan;Scots", "dan;Irish"), encoding="utf-8")
    assert project.planned_rules(TARGETS[0]) == {"read_columns", "count_activations", "count_units", "find_neurons"}
    lines = table.read_text(encoding="utf-8").split("\n")
    moods = [f"{line}\t{place % 2 if place else 'mood'}" for place, line in enumerate(lines)]
    table.write_text("\n".join(moods), encoding="utf-8")
    models = {"scan_own.table", "build_frames", "rank_neurons"}
    assert "read_columns" in project.planned_rules(*TARGETS)
    assert not models & project.planned_rules(*TARGETS, *(path for pair in RENAMED for path in pair))
    # A speaker with two accents stops what is counted of columns until the table is mended, and makes nothing anew.
    whole = table.read_text(encoding="utf-8")
    table.write_text(whole.replace("\tage\t", "\taccent\t").replace("\t25\t", "\t26\t", 1), encoding="utf-8")
    printed = project.snakemake(TARGETS[3], fails=True).replace("\n", " ")
    assert "expected one accent of speaker" in printed and "found 3 of" in printed
    assert "read_columns" in project.planned_rules(TARGETS[3])
    table.write_text(whole, encoding="utf-8")
    assert not models & project.planned_rules(*TARGETS, *(path for pair in RENAMED for path in pair))
    project.snakemake(*TARGETS)
    assert set(read_table(project.folder / TARGETS[0])["group"]) == {"Irish", "Scots", "Welsh"}
    assert project.planned_rules(*TARGETS) == set()
    # What the scan reads makes all of it again.
    table.write_text(whole.replace("/", "//", 1), encoding="utf-8")
    assert models <= project.planned_rules(TARGETS[3])
    table.write_text(whole, encoding="utf-8")
    # A gender is missed where a property asks for one, by a sentence.
    printed = project.snakemake("results/neurons/tiny/mfa/gender.parquet", fails=True)
    assert "property gender: expected utterances, found none with a gender; name it where" in printed.replace("\n", " ")


def test_a_table_that_is_none_stops_with_its_sentence(project):
    path = project.folder / "data/table.tsv"
    path.write_text(path.read_text(encoding="utf-8").replace("speaker", "talker"), encoding="utf-8")
    printed = project.snakemake(TARGETS[3], fails=True)
    assert "expected the columns 'speaker' (the speaker), found audio, talker, alignment, age" in printed
