"""The transcripts of a corpus in the LibriSpeech layout."""

from collections import defaultdict
from pathlib import Path

from property_neurons.errors import CorpusError, printable, some_of
from property_neurons.stores.manifests import digest_of, read_manifest
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


def transcript_digests(directory: str | Path) -> dict[str, str]:
    """A digest of the text of each utterance below `directory`."""
    return {utterance: digest_of(texts) for utterance, texts in sorted(read_transcripts(directory).items())}


def check_aligned(directory: str | Path, manifest: str | Path) -> None:
    """Check that the transcripts below `directory` are those that were aligned.

    Args:
        manifest: of the alignments, with `transcript_digests` as its note `transcripts`.

    Raises:
        CorpusError: transcripts were changed, added or removed since.
        StoreError: the manifest or a transcript cannot be read.
    """
    aligned = read_manifest(manifest).get("transcripts")
    if aligned is None:
        return
    now = transcript_digests(directory)
    if others := sorted(name for name in now.keys() | aligned.keys() if now.get(name) != aligned.get(name)):
        raise CorpusError(
            f"{printable(directory)}: expected the transcripts that were aligned, found other ones of {len(others)} "
            f"utterances ({printable(some_of(others))}); align them again: run the same command with -R {manifest}"
        )
