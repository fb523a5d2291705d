"""Configuration of corpora: where speech, alignments, genders and pitch come from."""

from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from property_neurons.config.section import Name, OutsidePath, PathPattern, Section, SubsetPath, each_once
from property_neurons.corpus.file_patterns import fields_of


class TextGridAlignments(Section):
    """One Praat TextGrid per utterance, in the corpus's own speaker/chapter tree."""

    kind: Literal["textgrid"] = Field(description="TextGrids, as the Montreal Forced Aligner writes them")
    path: SubsetPath = Field(description="folder of one subset's TextGrids; `{subset}` stands for the subset's name")
    tier: str = Field(default="phones", description="the tier of phones; `anna - phones` is one too")


class FramewiseAlignments(Section):
    """The 20 ms phone labels of the paper's authors: one JSON file for all utterances."""

    kind: Literal["framewise"] = Field(description="frame-wise phone labels, 20 ms, JSON or gzipped JSON")
    path: SubsetPath = Field(description="the file of labels; `{subset}` stands for the subset's name")
    labels: SubsetPath = Field(description="the file that gives each phone's label id and interval count")


class PocketSphinxAlignments(Section):
    """Alignments computed by this workflow from the transcripts."""

    kind: Literal["pocketsphinx"] = Field(description="align the transcripts with PocketSphinx")


Alignments = Annotated[TextGridAlignments | FramewiseAlignments | PocketSphinxAlignments, Field(discriminator="kind")]


class Phones(Section):
    """What the labels of alignments stand for."""

    set: Literal["arpabet", "timit", "ipa-english-mfa", "file"] = Field(
        default="arpabet",
        description="labels of ARPABET, of TIMIT or of the Montreal Forced Aligner's English dictionaries, all read as "
        "the paper's 39 phones; or `file`: a table of your own",
    )
    path: OutsidePath | None = Field(
        default=None, description="that table (set `file` only): column label, optionally phone, class, mark"
    )
    map: dict[str, str] = Field(
        default_factory=dict, description="further labels: {label: a phone of the set, SIL (silence) or SPN (no phone)}"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Phones":
        if (self.set == "file") != (self.path is not None):
            raise ValueError("`path` goes with set `file`, and only with it")
        return self


class Pitch(Section):
    """Where F0 comes from."""

    method: Literal["yaapt", "praat", "pyin", "bins", "none"] = Field(
        default="yaapt", description="F0 tracker, or `bins` to read the authors' pitch bins, or `none`"
    )
    floor_hz: float = Field(default=71.0, ge=40, le=150, description="lowest F0 searched for")
    ceiling_hz: float = Field(default=800.0, gt=150, le=1500, description="highest F0 searched for")
    path: SubsetPath | None = Field(default=None, description="the file of pitch bins (method `bins` only)")

    @model_validator(mode="after")
    def _consistent(self) -> "Pitch":
        if (self.method == "bins") != (self.path is not None):
            raise ValueError("`path` goes with method `bins`, and only with it")
        return self


class Subset(Section):
    """One folder of a corpus, such as dev-clean."""

    shards: int = Field(default=1, ge=1, le=10_000, description="number of parts (and model jobs) it is divided into")
    alignments: Alignments | None = Field(default=None, description="instead of the corpus's alignments")


class Conversion(Section):
    """What is done with recordings that are not 16 kHz and mono: the workflow makes copies, and reads only these."""

    resample: bool = Field(default=False, description="resample other rates to 16 kHz (torchaudio)")
    channels: Literal["mix", "first"] | None = Field(
        default=None, description="of more channels than one take their mean, or the first (null: refuse them)"
    )


class _Corpus(Section):
    audio: Conversion = Field(
        default_factory=Conversion, description="what is done with recordings that are not 16 kHz and mono"
    )
    on_bad_utterance: Literal["fail", "skip"] = Field(
        default="fail", description="stop when any utterance is refused, or go on without it"
    )
    max_skipped_share: float = Field(
        default=0.05, ge=0, le=1, description="largest share of utterances that `skip` may leave out"
    )


class _AlignedCorpus(_Corpus):
    pitch: Pitch = Field(default_factory=Pitch, description="where F0 comes from")
    phones: Phones = Field(default_factory=Phones, description="what the labels of alignments stand for")


class LibriSpeechCorpus(_AlignedCorpus):
    """Speech in LibriSpeech's directory layout (FLAC, WAV or MP3)."""

    kind: Literal["librispeech"] = Field(description="LibriSpeech's directory layout")
    root: OutsidePath = Field(description="folder that holds SPEAKERS.TXT and the subsets")
    subsets: dict[Name, Subset] = Field(min_length=1, description="the subsets that make up the corpus")
    alignments: Alignments = Field(description="where the forced alignments come from")
    genders: OutsidePath | None = Field(
        default=None,
        description="JSON of speaker genders, instead of SPEAKERS.TXT; `none` where no gender is of interest",
    )

    @field_validator("subsets", mode="before")
    @classmethod
    def _names_alone_will_do(cls, value: object) -> object:
        if not isinstance(value, list):
            return value
        if not all(isinstance(name, str) for name in value):
            raise ValueError(f"expected names alone, or a mapping NAME: {{shards: ...}} for each; found {value}")
        return {name: {} for name in each_once(value)}


class DemoCorpus(_AlignedCorpus):
    """Synthetic speech by eSpeak NG, made at run time, with the synthesiser's own phone times."""

    kind: Literal["demo"] = Field(description="synthetic speech made by the workflow")
    voices: int = Field(default=24, ge=2, le=24, description="number of voices, half female and half male (even)")
    minutes: float = Field(default=16, gt=0, le=600, description="least total duration")
    seed: int = Field(default=0, ge=0, description="seed of texts and voice settings")
    shards: int = Field(default=4, ge=1, le=10_000, description="number of parts (and model jobs) it is divided into")

    @field_validator("voices")
    @classmethod
    def _half_and_half(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f"must be even (half female, half male), found {value}")
        return value


class VoxCelebCorpus(_Corpus):
    """VoxCeleb1, split for speaker identification; it has no phone labels."""

    kind: Literal["voxceleb1"] = Field(description="VoxCeleb1's directory layout")
    root: OutsidePath = Field(description="folder that holds the audio, {speaker}/{video}/{number}.wav, at any depth")
    split: OutsidePath = Field(
        default="iden_split.txt", description="the file that says which utterances are for train, dev and test"
    )
    meta: OutsidePath = Field(default="vox1_meta.csv", description="the file that gives each speaker's gender")


TableField = Literal["utterance", "audio", "speaker", "gender", "alignment", "transcript"]


_PER_SPEAKER = ["gender", "accent", "dialect", "native_language"]


class FolderCorpus(_AlignedCorpus):
    """Recordings whose paths say who speaks; other fields of the paths become properties by their names."""

    kind: Literal["folder"] = Field(description="a folder of recordings")
    root: OutsidePath = Field(description="that folder")
    recordings: PathPattern = Field(
        description="the pattern of their paths: `{speaker}/{utterance}.wav`; `{gender:1}` is one letter, `*` anything "
        "in a name, `**/` any folders"
    )
    speaker: PathPattern = Field(default="{speaker}", description="the speaker, made of these fields")
    utterance: PathPattern = Field(default="{utterance}", description="the utterance's id, made of these fields")
    alignment: PathPattern | None = Field(
        default=None, description="the alignment (a TextGrid or TIMIT's .phn): `aligned/{speaker}/{utterance}.TextGrid`"
    )
    transcript: PathPattern | None = Field(default=None, description="the transcript, a file of text, likewise")
    tier: str = Field(default="phones", description="the tier of phones in these TextGrids")
    alignments: TextGridAlignments | FramewiseAlignments | None = Field(
        default=None, description="another source of alignments, by the utterance's id"
    )
    speakers: OutsidePath | None = Field(
        default=None, description="a table with one row for each speaker; its columns (gender, accent, ...) are added"
    )
    per_speaker: list[str] = Field(
        default=_PER_SPEAKER, description="columns with one value for each speaker, checked where they exist"
    )
    shards: int = Field(default=1, ge=1, le=10_000, description="number of parts (and model jobs) it is divided into")

    @model_validator(mode="after")
    def _fields_are_of_the_audio(self) -> "FolderCorpus":
        if PurePath(self.speaker).suffix in (".csv", ".tsv", ".txt", ".parquet"):
            raise ValueError(
                f"`speaker` is the name of each speaker, made of fields of `recordings`, found {self.speaker}; "
                f"a table of speakers is `speakers: {self.speaker}`"
            )
        known = fields_of(self.recordings)
        for key in ("speaker", "utterance", "alignment", "transcript"):
            if lacking := [name for name in fields_of(getattr(self, key) or "") if name not in known]:
                raise ValueError(
                    f"`{key}` needs the fields of `recordings` ({', '.join(known) or 'none'}), found "
                    f"{', '.join(lacking)}; "
                    f"name the field in `recordings`, or give `{key}` of the fields that are there"
                )
        return self


class TableCorpus(_AlignedCorpus):
    """Speech that a table lists, one row an utterance; columns of your own become properties by their names."""

    kind: Literal["table"] = Field(description="one table of utterances")
    table: OutsidePath = Field(
        description="CSV, TSV or parquet with the columns audio and speaker; optionally utterance (else the name of "
        "the audio file), gender, alignment (a TextGrid), transcript, and columns of your own; or lhotse's "
        "supervisions (.jsonl, .jsonl.gz)"
    )
    manifest: OutsidePath | None = Field(
        default=None, description="lhotse's recordings, where `table` is its supervisions"
    )
    folder: OutsidePath | None = Field(
        default=None, description="the folder that paths in the table start from (null: that of the table)"
    )
    columns: dict[TableField, str] = Field(
        default_factory=dict, description="the table's own names of these columns, where they differ"
    )
    speakers: OutsidePath | None = Field(
        default=None, description="a second table with one row for each speaker; its columns are added"
    )
    per_speaker: list[str] = Field(
        default=_PER_SPEAKER,
        description="columns with one value for each speaker, checked where they exist",
    )
    alignments: TextGridAlignments | FramewiseAlignments | None = Field(
        default=None, description="where alignments come from, if the table does not name them"
    )
    tier: str = Field(default="phones", description="the tier of phones in TextGrids that the table names")
    shards: int = Field(default=1, ge=1, le=10_000, description="number of parts (and model jobs) it is divided into")

    @model_validator(mode="after")
    def _manifests_go_together(self) -> "TableCorpus":
        supervisions = self.table.lower().endswith((".jsonl", ".jsonl.gz"))
        if supervisions != (self.manifest is not None):
            raise ValueError(
                "`manifest` (lhotse's recordings) goes with a `table` of supervisions, .jsonl or .jsonl.gz"
            )
        if supervisions and self.columns:
            raise ValueError("`columns` are of tables; supervisions have names of their own: leave it out")
        return self


Corpus = Annotated[
    LibriSpeechCorpus | DemoCorpus | VoxCelebCorpus | TableCorpus | FolderCorpus, Field(discriminator="kind")
]
