"""Writing alignments as TextGrids."""

from pathlib import Path

from praatio.data_classes.interval_tier import IntervalTier
from praatio.data_classes.textgrid import Textgrid

from property_neurons.corpus.alignments import Alignment
from property_neurons.corpus.phones import LABELS, SILENCE_ID


def write_textgrid(path: str | Path, alignment: Alignment) -> None:
    """Write an alignment as a long TextGrid with the tier "phones" from 0 to its end; silence is written ""."""
    end = alignment.end / 1e6
    entries = [
        (start / 1e6, stop / 1e6, LABELS[label])
        for start, stop, label in zip(
            alignment.starts.tolist(), alignment.ends.tolist(), alignment.labels.tolist(), strict=True
        )
        if label != SILENCE_ID
    ]
    grid = Textgrid(0.0, end)
    grid.addTier(IntervalTier("phones", entries, 0.0, end))
    grid.save(str(path), format="long_textgrid", includeBlankSpaces=True)
