"""From the settings of a corpus to the object that reads its alignments."""

from property_neurons.corpus.alignments import AlignmentSource
from property_neurons.corpus.framewise import FramewiseSource
from property_neurons.corpus.textgrid_source import TextGridSource


def open_alignments(kind: str, path: str, labels: str | None = None) -> AlignmentSource:
    """The alignments of one subset: kind "textgrid" (a folder) or "framewise" (a file and its labels).

    Raises:
        CorpusError: the folder or file is absent or of another form.
    """
    return TextGridSource(path) if kind == "textgrid" else FramewiseSource(path, labels)
