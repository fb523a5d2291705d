"""The alignments of a subset as a folder of TextGrids."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from property_neurons.corpus.alignments import Alignment, UnusableAlignment
from property_neurons.corpus.phone_tables import ARPABET, PhoneTable
from property_neurons.corpus.report import Trouble
from property_neurons.corpus.textgrid import TIER, read_textgrid
from property_neurons.corpus.timit import read_phn
from property_neurons.corpus.utterance_files import find_utterance_files
from property_neurons.errors import CorpusError


class TextGridSource:
    """One `{utterance}.TextGrid` per utterance, anywhere below `root` (MFA keeps the speaker/chapter tree).

    Where there are none, one `{utterance}.json`, as `mfa align --output_format json` writes them.
    """

    def __init__(self, root: str | Path, phones: PhoneTable = ARPABET, tier: str = TIER) -> None:
        root = Path(root)
        self._read = partial(read_textgrid, phones=phones, tier=tier)
        if not root.is_dir():
            raise CorpusError(f"{root}: expected a folder of TextGrids, found none; check `alignments` in the config")
        # The Montreal Forced Aligner names TextGrids in JSON so; other files of that ending may lie beside real ones.
        for ending in (".textgrid", ".json"):
            self._found = find_utterance_files(root, (ending,))
            if self._found.paths:
                break
        else:
            raise CorpusError(f"{root}: expected TextGrid files below it, found none; check `alignments` in the config")

    def not_read(self) -> list[tuple[str, Trouble]]:
        """Folders that cannot be looked into and links that lead nowhere, for the report."""
        return self._found.not_read

    def utterances(self) -> frozenset[str]:
        """Ids of all utterances that have a TextGrid."""
        return frozenset(self._found.paths)

    def read(self, utterance: str) -> Alignment:
        """The alignment of one utterance; raises UnusableAlignment."""
        return self._read(self.path(utterance))

    def path(self, utterance: str) -> Path:
        """The TextGrid of one utterance; raises UnusableAlignment."""
        paths = self._found.paths[utterance]
        if len(paths) > 1:
            places = ", ".join(map(str, paths))
            detail = f"expected one TextGrid of this name, found {places}; remove all but one"
            raise UnusableAlignment(utterance, (Trouble("duplicate_utterance", detail),))
        return paths[0]


class ListedAlignments:
    """The files that a table names, one for each utterance: TextGrids, or .phn files of TIMIT."""

    def __init__(self, paths: Mapping[str, Path], phones: PhoneTable = ARPABET, tier: str = TIER) -> None:
        self._paths = paths
        self._read = partial(read_textgrid, phones=phones, tier=tier)
        self._read_phn = partial(read_phn, phones=phones)

    def not_read(self) -> list[tuple[str, Trouble]]:
        """Nothing: an utterance reports its own missing alignment."""
        return []

    def utterances(self) -> frozenset[str]:
        """Ids of all utterances for which the table names a file."""
        return frozenset(self._paths)

    def read(self, utterance: str) -> Alignment:
        """The alignment of one utterance; raises UnusableAlignment."""
        path = self.path(utterance)
        return self._read_phn(path) if path.suffix.lower() == ".phn" else self._read(path)

    def path(self, utterance: str) -> Path:
        """The TextGrid of one utterance; raises UnusableAlignment."""
        path = self._paths[utterance]
        if not path.is_file():
            detail = f"expected the alignment {path}, found no file; put it there, or correct the table"
            raise UnusableAlignment(utterance, (Trouble("missing_alignment", detail),))
        return path
