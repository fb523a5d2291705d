"""VoxCeleb1 with its official split for speaker identification.

    root/.../{speaker}/{video}/{number}.wav (or .flac, .mp3, .ogg), as in wav/id10001/1zcIwhmdeo4/00001.wav
    iden_split.txt: "1 id10001/1zcIwhmdeo4/00001.wav", with 1 = train, 2 = dev, 3 = test
    vox1_meta.csv: VoxCeleb1 ID, VGGFace1 ID, Gender, Nationality, Set, with tabs between them

What lies above the folders of the speakers (wav/, dev/wav/ and test/wav/, nothing) does not matter. An utterance is
known by the last three parts of its path without the suffix: id10001/1zcIwhmdeo4/00001.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from property_neurons.corpus.audio import AUDIO_SUFFIXES
from property_neurons.corpus.listing import Listed, Listing, repeated_audio
from property_neurons.corpus.report import Trouble
from property_neurons.corpus.utterance_files import files_below, name_troubles, other_audio, relative_paths
from property_neurons.errors import CorpusError, printable, some_of
from property_neurons.stores.outside import composed, read_text

PARTS = {"1": "train", "2": "dev", "3": "test"}
NOT_LISTED = "not_in_split"
"""Code of the one report row that counts audio outside the split; its action is `report.IGNORED`."""

_SPLIT_LINE = re.compile(r"([123])\s+([^/\s]+/[^/\s]+/[^/\s]+)\.\w+")
_META_COLUMNS = ("VoxCeleb1 ID", "Gender")
_GENDERS = {"m": "M", "f": "F"}


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


def list_voxceleb(root: str | Path, split_file: str | Path, meta: str | Path) -> Listing:
    """The utterances of the split: each with its part ("train", "dev" or "test"), its video and its speaker's gender.

    Audio that no line of the split names is counted in one row of code `NOT_LISTED`.

    Args:
        root: the folder that holds the audio.
        split_file: iden_split.txt.
        meta: vox1_meta.csv.

    Raises:
        CorpusError: the root, the split or the list of speakers is absent or of another form, or there is no audio.
    """
    root = Path(root)
    parts, genders = read_split(split_file), read_meta(meta)

    def last_three(path: Path) -> str:
        return composed("/".join(path.relative_to(root).with_suffix("").parts[-3:]))

    found = files_below(root, "fetch the corpus", last_three)
    listed = []
    for utterance in sorted(parts):
        paths = found.paths.get(utterance, ())
        speaker, video, _ = utterance.split("/")
        troubles = name_troubles(utterance, paths, root) or _identity(utterance, paths, parts[utterance], genders)
        known = {"chapter": video, "part": parts[utterance][0]}
        audio, gender = relative_paths(paths, root), genders.get(speaker, "")
        listed.append(Listed(utterance, audio, speaker, gender, columns=known, troubles=tuple(troubles)))
    unlisted = [path for utterance in sorted(found.paths.keys() - parts.keys()) for path in found.paths[utterance]]
    return Listing(
        root,
        tuple(listed),
        {"chapter": "str", "part": "str"},
        tuple(found.not_read),
        tuple(found.read_once),
        other_audio(relative_paths(unlisted, root), NOT_LISTED, "the split lists"),
    )


def _identity(utterance: str, paths: Sequence[Path], parts: Sequence[str], genders: Mapping[str, str]) -> list[Trouble]:
    troubles = []
    if not paths:
        suffixes = ", ".join(sorted(AUDIO_SUFFIXES))
        detail = f"expected {utterance} as one of {suffixes}, found no audio; fetch it or remove it from the split"
        troubles.append(Trouble("missing_audio", detail))
    troubles += repeated_audio(paths)
    if len(parts) > 1:
        detail = f"expected one line of the split, found {len(parts)} ({', '.join(parts)}); remove all but one"
        troubles.append(Trouble("duplicate_utterance", detail))
    speaker = utterance.partition("/")[0]
    if speaker not in genders:
        detail = (
            f"expected speaker {speaker!r} among the {len(genders)} whose gender is known, found no entry; "
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
