"""What one subset of a corpus in the LibriSpeech layout holds.

    root/SPEAKERS.TXT
    root/{subset}/{speaker}/{chapter}/{speaker}-{chapter}-{number}.flac (or .wav, .mp3, .ogg)
    root/{subset}/{speaker}/{chapter}/{speaker}-{chapter}.trans.txt

Transcripts may be absent.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from property_neurons.corpus.audio import AUDIO_SUFFIXES
from property_neurons.corpus.listing import Listed, Listing, repeated_audio
from property_neurons.corpus.report import Trouble
from property_neurons.corpus.transcripts import read_transcripts
from property_neurons.corpus.utterance_files import files_below, name_troubles, relative_paths
from property_neurons.errors import CorpusError


def list_librispeech(
    root: str | Path, subset: str, genders: Mapping[str, str] | None, labelled: Collection[str] = ()
) -> Listing:
    """The utterances of a subset: those that have audio, a transcript or an alignment.

    Args:
        root: the folder that holds the subsets.
        subset: name of the subset and of its folder.
        genders: {speaker: "M" | "F"}; None where genders are of no interest.
        labelled: ids of the utterances that have an alignment.

    Raises:
        CorpusError: the root or the subset is not there, or holds no audio.
    """
    root = Path(root)
    if not root.is_dir():
        raise CorpusError(f"{root}: expected a folder of the corpus, found none; check the paths in the config")
    found = files_below(root / subset, "fetch the subset")
    transcripts = read_transcripts(root / subset)
    listed = []
    for utterance in sorted({*found.paths, *transcripts, *labelled}):
        paths, texts = found.paths.get(utterance, ()), transcripts.get(utterance, ())
        speaker, _, rest = utterance.partition("-")
        troubles = name_troubles(utterance, paths, root) or [
            *_presence(utterance, bool(paths), utterance in transcripts, utterance in labelled),
            *_repeated(paths, texts),
            *([] if genders is None else _unknown(speaker, genders)),
        ]
        listed.append(
            Listed(
                utterance,
                relative_paths(paths, root),
                speaker,
                (genders or {}).get(speaker, ""),
                "".join(texts),
                {"chapter": rest.partition("-")[0]},
                tuple(troubles),
            )
        )
    return Listing(root, tuple(listed), {"chapter": "str"}, tuple(found.not_read), tuple(found.read_once))


def _presence(utterance: str, has_audio: bool, has_text: bool, has_labels: bool) -> list[Trouble]:
    if has_audio:
        return []
    expected = f"expected {utterance} as one of {', '.join(sorted(AUDIO_SUFFIXES))}, found no audio"
    troubles = []
    if has_text:
        troubles.append(Trouble("missing_audio", f"{expected}; fetch it or remove its transcript"))
    if has_labels:
        troubles.append(Trouble("labels_without_audio", f"{expected}; fetch it or remove its alignment"))
    return troubles


def _repeated(paths: Collection[Path], texts: Collection[str]) -> list[Trouble]:
    troubles = repeated_audio(paths)
    if len(texts) > 1:
        detail = f"expected one transcript of this id, found {len(texts)}; remove all but one"
        troubles.append(Trouble("duplicate_utterance", detail))
    return troubles


def _unknown(speaker: str, genders: Mapping[str, str]) -> list[Trouble]:
    if speaker in genders:
        return []
    detail = (
        f"expected speaker {speaker!r} (the id up to the first '-') among the {len(genders)} whose gender "
        "is known, found no entry; add the speaker to SPEAKERS.TXT or the gender JSON (or set genders: none)"
    )
    return [Trouble("unknown_speaker", detail)]
