"""From the settings of a corpus to the objects that read its alignments and genders."""

from pathlib import Path

from property_neurons.corpus.alignments import AlignmentSource, TextGridSource
from property_neurons.corpus.framewise import FramewiseSource, read_gender_json
from property_neurons.corpus.librispeech import read_speakers


def open_alignments(kind: str, path: str, labels: str | None = None) -> AlignmentSource:
    """The alignments of one subset: kind "textgrid" (a folder) or "framewise" (a file and its labels).

    Raises:
        CorpusError: the folder or file is absent or of another form.
    """
    return TextGridSource(path) if kind == "textgrid" else FramewiseSource(path, labels)


def read_genders(path: str | Path) -> dict[str, str]:
    """Genders by speaker, from a JSON object or from LibriSpeech's SPEAKERS.TXT, told apart by suffix.

    Raises:
        CorpusError: the file is absent or of another form.
    """
    return read_gender_json(path) if Path(path).suffix == ".json" else read_speakers(path)
