"""The transcripts of a corpus in the LibriSpeech layout."""

from collections import defaultdict
from pathlib import Path

from property_neurons.stores.outside import composed, read_text
from property_neurons.stores.tree import walk


def read_transcripts(directory: str | Path) -> dict[str, list[str]]:
    """All lines of the *.trans.txt files below `directory`: {utterance: [text]}; two texts mean an id occurs twice.

    Raises:
        StoreError: a file cannot be read, or is not UTF-8.
    """
    transcripts = defaultdict(list)
    # A file that links reach on two ways is read once.
    for path in {path.resolve(): path for path in reversed(walk(directory).ending([".trans.txt"]))}.values():
        for line in read_text(path).split("\n"):
            fields = composed(line).split(maxsplit=1)
            if fields:
                transcripts[fields[0]].append(fields[1].strip() if len(fields) > 1 else "")
    return dict(transcripts)
