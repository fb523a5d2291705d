"""Scanning VoxCeleb1 as it is split for speaker identification.

    root/.../{speaker}/{video}/{number}.wav (or .flac, .mp3, .ogg), as in wav/id10001/1zcIwhmdeo4/00001.wav
    iden_split.txt: "1 id10001/1zcIwhmdeo4/00001.wav", with 1 = train, 2 = dev, 3 = test
    vox1_meta.csv: VoxCeleb1 ID, VGGFace1 ID, Gender, Nationality, Set, with tabs between them

What lies above the folders of the speakers (wav/, dev/wav/ and test/wav/, nothing) does not matter. An utterance is
known by the last three parts of its path without the suffix: id10001/1zcIwhmdeo4/00001.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from property_neurons.corpus.audio import AUDIO_SUFFIXES, AudioFacts, UnusableAudio, inspect_audio
from property_neurons.corpus.report import KEPT, REPORT_COLUMNS, Trouble, report_table
from property_neurons.corpus.utterance_files import UtteranceFiles, find_utterance_files, name_troubles
from property_neurons.errors import CorpusError, printable, some_of
from property_neurons.jobs.parallel import map_in_processes
from property_neurons.progress import progress
from property_neurons.stores.outside import composed, read_text

SUBSET = "voxceleb1"
PARTS = {"1": "train", "2": "dev", "3": "test"}
NOT_LISTED = "not_in_split"
"""Code of the one report row that counts audio outside the split; its action is `IGNORED`."""
IGNORED = "ignored"

_SPLIT_LINE = re.compile(r"([123])\s+([^/\s]+/[^/\s]+/[^/\s]+)\.\w+")
_META_COLUMNS = ("VoxCeleb1 ID", "Gender")
_GENDERS = {"m": "M", "f": "F"}
_EXAMPLES = 3
_UTTERANCE_TYPES = {
    "utterance": "str",
    "subset": "str",
    "speaker": "str",
    "chapter": "str",
    "gender": "str",
    "audio": "str",
    "audio_digest": "str",
    "n_samples": "int64",
    "part": "str",
}


def read_split(path: str | Path) -> dict[str, list[str]]:
    """The parts in iden_split.txt: {utterance: ["train" | "dev" | "test"]}, one entry for each line that lists it.

    Raises:
        CorpusError: the file is absent or empty, or lines in it are of another form.
    """
    path = Path(path)
    parts, wrong = defaultdict(list), []
    for number, line in enumerate(_lines(path, "VoxCeleb1's split for identification (iden_split.txt)"), start=1):
        if not line.strip():
            continue
        found = _SPLIT_LINE.fullmatch(line.strip())
        if found is None:
            wrong.append(str(number))
            continue
        parts[found[2]].append(PARTS[found[1]])
    if wrong:
        raise CorpusError(
            f"{path}: expected '1, 2 or 3 speaker/video/number.wav', found another form in lines {some_of(wrong)}; "
            "mend them, or fetch the file again"
        )
    if not parts:
        raise CorpusError(f"{path}: expected one utterance a line, found none; fetch the file again")
    return dict(parts)


def read_meta(path: str | Path) -> dict[str, str]:
    """The genders in vox1_meta.csv: {speaker: "M" | "F"}.

    Raises:
        CorpusError: the file is absent, lacks the columns `VoxCeleb1 ID` and `Gender`, or lines in it hold no speaker,
            a gender other than m or f, or a speaker of an earlier line.
    """
    path = Path(path)
    header, *lines = _lines(path, "VoxCeleb1's list of speakers (vox1_meta.csv)") or [""]
    columns = [column.strip() for column in header.split("\t")]
    if not set(_META_COLUMNS) <= set(columns):
        raise CorpusError(
            f"{path}: expected a first line with {' and '.join(_META_COLUMNS)}, with tabs between the columns, "
            f"found {header!r}; fetch the file again"
        )
    genders, wrong = {}, []
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        fields = dict(zip(columns, (field.strip() for field in line.split("\t")), strict=False))
        speaker, gender = (fields.get(column, "") for column in _META_COLUMNS)
        if not speaker or speaker in genders or gender not in _GENDERS:
            wrong.append(str(number))
            continue
        genders[speaker] = _GENDERS[gender]
    if wrong:
        raise CorpusError(
            f"{path}: expected a new speaker and the gender m or f in each line, found another form in lines "
            f"{some_of(wrong)}; mend them, or fetch the file again"
        )
    return genders


def scan_voxceleb(
    corpus: str, root: str | Path, split_file: str | Path, meta: str | Path, *, workers: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Look at every utterance of the split: its audio, decoded in full, its part, and its speaker's gender.

    Args:
        corpus: its name, for the report.
        root: the folder that holds the audio.
        split_file: iden_split.txt.
        meta: vox1_meta.csv.
        workers: processes to use; the result does not depend on it.

    Returns:
        utterances: those fit for use, sorted by id: utterance, subset, speaker, chapter (the video), gender, audio
            (relative to the root), audio_digest, n_samples, part ("train", "dev" or "test").
        report: a row for each trouble of the others: corpus, subset, utterance, code, detail, action. Audio that no
            line of the split names is counted in one last row, of code `NOT_LISTED`, action `IGNORED` and no utterance.

    Raises:
        CorpusError: the root, the split or the list of speakers is absent or of another form, or there is no audio.
            Troubles with single utterances are not raised but reported.
    """
    root = Path(root)
    parts, genders = read_split(split_file), read_meta(meta)
    found = _audio_below(root)
    audio = found.paths
    utterances = sorted(parts)
    findings = progress(
        map_in_processes(_Examiner(root, audio, parts, genders), utterances, workers),
        total=len(utterances),
        what=f"{corpus}/{SUBSET}",
        unit="utt",
    )
    rows, troubles = [], []
    for utterance, (facts, wrong) in zip(utterances, findings, strict=True):
        if wrong:
            troubles += [(utterance, trouble) for trouble in wrong]
            continue
        speaker, video, _ = utterance.split("/")
        rows.append(
            {
                "utterance": utterance,
                "subset": SUBSET,
                "speaker": speaker,
                "chapter": video,
                "gender": genders[speaker],
                "audio": audio[utterance][0].relative_to(root).as_posix(),
                "audio_digest": facts.digest,
                "n_samples": facts.n_samples,
                "part": parts[utterance][0],
            }
        )
    unlisted = [path for utterance in sorted(audio.keys() - parts.keys()) for path in audio[utterance]]
    reports = [
        report_table(corpus, SUBSET, [*troubles, *found.not_read]),
        report_table(corpus, SUBSET, found.read_once, KEPT),
        _unlisted_row(corpus, root, unlisted),
    ]
    report = pd.concat(reports, ignore_index=True)
    return pd.DataFrame(rows, columns=list(_UTTERANCE_TYPES)).astype(_UTTERANCE_TYPES), report


@dataclass(frozen=True)
class _Examiner:
    root: Path
    audio: Mapping[str, Sequence[Path]]
    parts: Mapping[str, Sequence[str]]
    genders: Mapping[str, str]

    def __call__(self, utterance: str) -> tuple[AudioFacts | None, tuple[Trouble, ...]]:
        if unusable := name_troubles(utterance, self.audio.get(utterance, ()), self.root):
            return None, tuple(unusable)
        facts, troubles = None, self._identity(utterance)
        for path in self.audio.get(utterance, ()):
            try:
                facts = inspect_audio(path)
            except UnusableAudio as error:
                troubles += error.troubles
        return facts, tuple(troubles)

    def _identity(self, utterance: str) -> list[Trouble]:
        troubles = []
        paths, parts = self.audio.get(utterance, ()), self.parts[utterance]
        if not paths:
            suffixes = ", ".join(sorted(AUDIO_SUFFIXES))
            detail = f"expected {utterance} as one of {suffixes}, found no audio; fetch it or remove it from the split"
            troubles.append(Trouble("missing_audio", detail))
        if len(paths) > 1:
            places = ", ".join(map(str, paths))
            detail = f"expected one audio file of this id, found {places}; remove all but one"
            troubles.append(Trouble("duplicate_utterance", detail))
        if len(parts) > 1:
            detail = f"expected one line of the split, found {len(parts)} ({', '.join(parts)}); remove all but one"
            troubles.append(Trouble("duplicate_utterance", detail))
        speaker = utterance.partition("/")[0]
        if speaker not in self.genders:
            detail = (
                f"expected speaker {speaker!r} among the {len(self.genders)} whose gender is known, found no entry; "
                "add the speaker to vox1_meta.csv"
            )
            troubles.append(Trouble("unknown_speaker", detail))
        return troubles


def _lines(path: Path, what: str) -> list[str]:
    if not path.is_file():
        raise CorpusError(
            f"{printable(path)}: expected {what}, found no file; fetch it, or correct the path in the config"
        )
    return composed(read_text(path)).split("\n")


def _audio_below(root: Path) -> UtteranceFiles:
    if not root.is_dir():
        raise CorpusError(f"{root}: expected a folder of the corpus, found none; check the paths in the config")

    def last_three(path: Path) -> str:
        return composed("/".join(path.relative_to(root).with_suffix("").parts[-3:]))

    found = find_utterance_files(root, AUDIO_SUFFIXES, last_three)
    if not found.paths:
        raise CorpusError(
            f"{root}: expected audio ({', '.join(sorted(AUDIO_SUFFIXES))}) below it, found none{found.reasons()}; "
            "check the paths in the config, or fetch the corpus"
        )
    return found


def _unlisted_row(corpus: str, root: Path, paths: Sequence[Path]) -> pd.DataFrame:
    rows = []
    if paths:
        examples = ", ".join(path.relative_to(root).as_posix() for path in paths[:_EXAMPLES])
        more = ", ..." if len(paths) > _EXAMPLES else ""
        detail = (
            f"expected only audio that the split lists, found {len(paths)} other files ({examples}{more}); "
            "nothing need be done"
        )
        rows.append((corpus, SUBSET, "", NOT_LISTED, printable(detail), IGNORED))
    return pd.DataFrame(rows, columns=list(REPORT_COLUMNS), dtype="str")
