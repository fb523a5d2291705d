"""Speaker genders: LibriSpeech's SPEAKERS.TXT, or a JSON object."""

from pathlib import Path

from property_neurons.corpus.outside_json import read_object
from property_neurons.errors import CorpusError, printable, some_of
from property_neurons.stores.outside import composed, read_text

# As lists of speakers write them, in any case.
_WRITTEN = {"m": "M", "male": "M", "f": "F", "female": "F"}
# As Common Voice writes them.
_LONGER = {"male_masculine": "M", "female_feminine": "F"}


def gender_of(text: str) -> str:
    """A gender as the workflow names it: "M" or "F" for every spelling of these; any other word stays."""
    return (_WRITTEN | _LONGER).get(text.casefold(), text)


def read_genders(path: str | Path) -> dict[str, str]:
    """Genders by speaker, {speaker: "M" | "F"}, from a JSON object or from SPEAKERS.TXT; the content tells which it is.

    Raises:
        CorpusError, StoreError: as for `read_gender_json` and `read_speakers`.
    """
    is_json = ".json" in Path(path).suffixes or (Path(path).is_file() and read_text(path).lstrip().startswith("{"))
    return read_gender_json(path) if is_json else read_speakers(path)


def read_speakers(path: str | Path) -> dict[str, str]:
    """The genders in SPEAKERS.TXT ("id | sex | subset | minutes | name", comments after ";"): {speaker: "M" | "F"}.

    Raises:
        CorpusError: the file is absent, lines in it are of another form, or a speaker has two genders.
        StoreError: the file is not UTF-8.
    """
    path = Path(path)
    if not path.is_file():
        raise CorpusError(
            f"{printable(path)}: expected LibriSpeech's list of speakers, found no file; fetch it, or give a gender "
            "JSON instead"
        )
    genders: dict[str, str] = {}
    lines: dict[str, int] = {}
    wrong, both = [], []
    for number, line in enumerate(composed(read_text(path)).split("\n"), start=1):
        if not line.strip() or line.startswith(";"):
            continue
        # Names hold bars too, so only the first two fields are cut off.
        fields = [field.strip() for field in line.split("|", 2)]
        gender = _WRITTEN.get(fields[1].casefold()) if len(fields) > 1 else None
        if not fields[0] or gender is None:
            wrong.append(f"{number} ({printable(line.strip())!r})" if not wrong else str(number))
            continue
        speaker = fields[0]
        # LibriSpeech has one line for each speaker; a corpus of several subsets may have one for each of those.
        if genders.setdefault(speaker, gender) != gender:
            both.append(
                f"{printable(speaker)} ({genders[speaker]} in line {lines[speaker]}, {gender} in line {number})"
            )
        lines.setdefault(speaker, number)
    if wrong:
        raise CorpusError(
            f"{printable(path)}: expected 'id | M or F | ...', found another form in lines {some_of(wrong)}; mend them"
        )
    if both:
        raise CorpusError(f"{printable(path)}: expected one gender for each speaker, found {some_of(both)}; mend them")
    return genders


def read_gender_json(path: str | Path) -> dict[str, str]:
    """Speaker genders, {speaker: "M" | "F"}.

    Raises:
        CorpusError: the file holds something else.
        StoreError: the file is absent, not UTF-8, not JSON, or has a speaker twice.
    """
    genders = read_object(path, 'a JSON object {speaker: "M" | "F"}')
    found = {speaker: _WRITTEN.get(str(value).casefold()) for speaker, value in genders.items()}
    wrong = [printable(f"{speaker!r}: {genders[speaker]!r}") for speaker, gender in found.items() if gender is None]
    if wrong:
        raise CorpusError(
            f'{printable(path)}: expected "M" or "F" for each speaker, found {some_of(wrong)}; mend these entries'
        )
    return found
