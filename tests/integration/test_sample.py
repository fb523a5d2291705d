"""The shipped sample configuration on real LibriSpeech, as far as no model is needed."""

import pytest
import yaml

from property_neurons.corpus.frame_store import open_frames
from property_neurons.corpus.phones import LABELS, VOWELS
from property_neurons.stores.files import read_table
from tests.integration.project import ROOT, Project

pytestmark = [pytest.mark.integration, pytest.mark.sample, pytest.mark.slow]


def test_dev_clean_with_the_authors_labels_bins_and_genders(sample_data, tmp_path):
    config = yaml.safe_load((ROOT / "config/sample.yaml").read_text())
    config |= {"data_root": str(sample_data.resolve()), "results": "results"}
    # The F0 task needs F0 in Hz, which the authors' bins are not: it is refused with them.
    del config["pruning"], config["erasure"], config["tasks"], config["splits"]
    config["corpora"]["dev-clean"] |= {
        "genders": "alignments/dev-clean/speaker-gender.json",
        "pitch": {"method": "bins", "path": "alignments/{subset}/pitch-bins-20ms.json.gz"},
    }
    project = Project.copy(tmp_path / "project", config)
    printed = project.snakemake(*[f"results/corpora/dev-clean/frames/dev-clean-00{k}.manifest.json" for k in range(8)])
    assert "labels_without_audio: 1390" in printed
    results = project.folder / "results/corpora/dev-clean"
    assert read_table(results / "report.tsv")["code"].value_counts().to_dict() == {"labels_without_audio": 1390}
    utterances = read_table(results / "utterances.parquet")
    assert len(utterances) == 1313
    assert utterances.groupby("gender")["speaker"].nunique().to_dict() == {"F": 9, "M": 11}

    shards = [open_frames(results / f"frames/dev-clean-00{k}.zarr") for k in range(8)]
    assert sum(len(shard.utterances) for shard in shards) == 1313
    assert {shard.pitch for shard in shards} == {"bins"}
    labels = {label: sum(int((shard.label == index).sum()) for shard in shards) for index, label in enumerate(LABELS)}
    # Half the utterances hold about half of the 968,842 labelled frames of dev-clean.
    assert 0.4 < sum(labels.values()) / 968_842 < 0.6
    assert sum(labels[vowel] for vowel in VOWELS) > 100_000
