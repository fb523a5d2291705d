"""Check that corpora have the phones and the pitch that sections need."""

from property_neurons.config.corpora import Conversion, PocketSphinxAlignments, VoxCelebCorpus
from property_neurons.config.models import EditedModel, PrunedModel
from property_neurons.config.properties import source_of
from property_neurons.config.pruning import CALIBRATED_ON_TASK, GeneralPruning
from property_neurons.config.root import Config
from property_neurons.config.splits import split_corpora


def problems(config: Config) -> list[str]:
    """Where a section needs more than speakers of a corpus without alignments, or pitch of a corpus without F0."""
    found = [
        f"{key}: {corpus!r} (voxceleb1) has no phone alignments; it serves speaker identification alone"
        for key, corpus in _uses_of_phones(config)
        if isinstance(config.corpora.get(corpus), VoxCelebCorpus)
    ]
    for name, section in config.corpora.items():
        subsets = getattr(section, "subsets", {}).values()
        sources = [getattr(section, "alignments", None), *(subset.alignments for subset in subsets)]
        if section.audio != Conversion() and any(isinstance(source, PocketSphinxAlignments) for source in sources):
            found.append(
                f"corpora.{name}.audio: PocketSphinx aligns recordings as they are, which must be 16 kHz and mono; "
                "convert them yourself (sox IN.wav -r 16000 -c 1 OUT.wav), or give TextGrids"
            )
    if CALIBRATED_ON_TASK in config.corpora:
        found.append(
            f"corpora.{CALIBRATED_ON_TASK}: pruning studies call the training part of a task so; choose another name"
        )
    corpus = config.corpora.get(config.figures.corpus)
    made_of_f0 = sorted(name for name in _shown(config) if _is_of_f0(config, name))
    without_f0 = corpus is not None and not isinstance(corpus, VoxCelebCorpus) and corpus.pitch.method == "none"
    if without_f0 and made_of_f0:
        found.append(
            f"corpora.{config.figures.corpus}.pitch.method: `none` gives no F0, of which the figures show "
            f"{', '.join(made_of_f0)}; choose yaapt, praat, pyin or bins, or name other properties in "
            "figures.properties and figures.overlap, and null for those of F0 in statistics.confounds"
        )
    return found


def _shown(config: Config) -> set[str]:
    """The properties and confounds that the default target shows."""
    figures = config.figures
    shown = {*figures.plane_properties, *figures.layer_properties, *figures.overlap_properties}
    return shown | config.statistics.given.keys() | set(config.statistics.given.values())


def _is_of_f0(config: Config, name: str) -> bool:
    section = config.properties.get(name)
    return name == "f0" if section is None else source_of(section) in ("f0", "f0_slope")


def _uses_of_phones(config: Config) -> list[tuple[str, str]]:
    """(key, corpus) wherever frames with phones are needed."""
    uses = [("figures.corpus", config.figures.corpus)]
    uses += [(f"pretraining.{name}.corpus", run.corpus) for name, run in config.pretraining.items()]
    for name, model in config.models.items():
        if isinstance(model, PrunedModel | EditedModel) and model.corpus is not None:
            uses.append((f"models.{name}.corpus", model.corpus))
    for key, study in config.pruning.by_key().items():
        uses.append((f"{key}.corpus", study.corpus))
        if isinstance(study, GeneralPruning) and study.fine_tuning is not None:
            uses.append((f"{key}.fine_tuning.corpus", study.fine_tuning.corpus))
    for name, study in config.erasure.items():
        task = config.tasks.get(study.task)
        split = config.splits.get(task.split) if task and study.corpus is None else None
        found_on = split_corpora(split) if split else [study.corpus]
        uses += [(f"erasure.{name}.corpus", corpus) for corpus in found_on]
    return uses
