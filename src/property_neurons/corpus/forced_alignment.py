"""Forced alignment with PocketSphinx, for corpora that have transcripts but no phone times."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from pocketsphinx import Decoder

from property_neurons.corpus.alignments import Alignment
from property_neurons.corpus.audio import AUDIO_SUFFIXES, SAMPLE_RATE, read_audio
from property_neurons.corpus.espeak_phones import pronounce
from property_neurons.corpus.phones import LABEL_IDS, SILENCE_ID, SPOKEN_NOISE_ID
from property_neurons.corpus.spoken_words import spoken_words
from property_neurons.corpus.textgrid import write_textgrid
from property_neurons.corpus.transcripts import read_transcripts
from property_neurons.corpus.utterance_files import find_utterance_files, name_troubles
from property_neurons.errors import AlignmentError, CorpusError, PropertyNeuronsError, StoreError, printable
from property_neurons.jobs.parallel import map_in_processes
from property_neurons.progress import progress
from property_neurons.stores.files import atomic_path, new_folder
from property_neurons.stores.manifests import check_digest, describe_file, digest_of, has_digest, record_digest

ALIGNMENT_FAILED = "alignment_failed"

_FRAME_US = 10_000
# A frame's window of 25.6 ms is centred 7.8 ms after the middle of the 10 ms it stands for, so its phones come early:
# by 10 ms (median) against MFA, by 6 ms against the demo corpus. One frame later is the nearest the grid allows.
_DELAY_US = 10_000
# Pauses inside sentences are rarer in PocketSphinx's default (0.005) than in read speech: 0.2 % more cells agree.
_SILENCE_PROBABILITY = 0.2
_FILLERS = {"SIL": SILENCE_ID, "+NSN+": SPOKEN_NOISE_ID, "+SPN+": SPOKEN_NOISE_ID}


def align_utterance(waveform: np.ndarray, transcript: str) -> Alignment:
    """Find the phones of a transcript in speech.

    Words that PocketSphinx's dictionary lacks are pronounced as eSpeak NG would.

    Args:
        waveform: float samples [N] in [-1, 1] at 16 kHz.
        transcript: the words, in upper or lower case; punctuation is passed over.

    Returns:
        Contiguous segments from 0 to the end of the audio, at a resolution of 10 ms.

    Raises:
        AlignmentError: the transcript has no words or something else than words, or they cannot be found in the audio.
    """
    words = spoken_words(transcript)
    pcm = np.rint(np.clip(waveform, -1, 1) * (2**15 - 1)).astype(np.int16).tobytes()
    # Without pruning no path is lost, but it takes twice as long; where both succeed they differ by a frame at most.
    phones = _search(pcm, words, pruned=True) or _search(pcm, words, pruned=False)
    if phones is None:
        raise AlignmentError(
            f"expected the {len(words)} words of the transcript in {len(waveform) / SAMPLE_RATE:.2f} s of audio, "
            f"found no way to fit them ({' '.join(words)[:60]!r}); check that both belong together"
        )
    end = len(waveform) * 1_000_000 // SAMPLE_RATE
    edges = np.array([frame for frame, _ in phones[1:]], dtype=np.int64) * _FRAME_US + _DELAY_US
    edges = np.minimum(np.concatenate([[0], edges, [end]]), end)
    labels = np.array([label for _, label in phones], dtype=np.int8)
    kept = np.diff(edges) > 0
    return Alignment(edges[:-1][kept], edges[1:][kept], labels[kept], end)


def align_subset(
    root: str | Path,
    subset: str,
    out_root: str | Path,
    *,
    workers: int = 1,
    finished: str | Path | None = None,
    code: str = "",
) -> pd.DataFrame:
    """Align every utterance of a subset, and write {out_root}/{speaker}/{chapter}/{utterance}.TextGrid.

    Args:
        root: the folder that holds the subsets.
        subset: name of the subset and of its folder.
        out_root: folder to make; it appears only when all utterances have been tried.
        workers: processes to use; the result does not depend on it.
        finished: folder of alignments that are done, by the content of audio and transcript. A run that was killed goes
            on with it; of a corpus that was moved or corrected only what is new is aligned.
        code: fingerprint, so that alignments by other code are not taken.

    Returns:
        One row for each utterance that has no TextGrid now: subset, utterance, code ("alignment_failed"), detail.

    Raises:
        CorpusError: the subset is not there, or holds neither audio nor transcripts.
        StoreError: `out_root` is not empty.
    """
    folder = Path(root) / subset
    if not folder.is_dir():
        raise CorpusError(f"{folder}: expected a folder of the corpus, found none; check the paths in the config")
    found = find_utterance_files(folder, AUDIO_SUFFIXES)
    audio = found.paths
    transcripts = read_transcripts(folder)
    utterances = sorted({*audio, *transcripts})
    if not utterances:
        raise CorpusError(
            f"{printable(folder)}: expected audio and transcripts below it, found neither{found.reasons()}; "
            "check the paths"
        )
    with new_folder(out_root) as tree:
        made_by = [code, *(version(package) for package in ("numpy", "pocketsphinx", "scipy", "soundfile"))]
        align = _Task(folder, tree, audio, transcripts, None if finished is None else Path(finished), made_by)
        details = progress(
            map_in_processes(align, utterances, workers), total=len(utterances), what=f"aligning {subset}", unit="utt"
        )
        rows = [
            (subset, printable(utterance), ALIGNMENT_FAILED, printable(" ".join(detail.split())))
            for utterance, detail in zip(utterances, details, strict=True)
            if detail is not None
        ]
    return pd.DataFrame(rows, columns=["subset", "utterance", "code", "detail"], dtype="str")


@dataclass(frozen=True)
class _Task:
    """Align one utterance and write it; returns what went wrong, or None."""

    folder: Path
    tree: Path
    audio: Mapping[str, Sequence[Path]]
    transcripts: Mapping[str, Sequence[str]]
    finished: Path | None
    made_by: Sequence[str]

    def __call__(self, utterance: str) -> str | None:
        paths, texts = self.audio.get(utterance, ()), self.transcripts.get(utterance, ())
        if unusable := name_troubles(utterance, paths, self.folder):
            return unusable[0].detail
        if len(paths) != 1 or len(texts) != 1:
            return (
                f"expected one audio file and one transcript, found {len(paths)} and {len(texts)}; "
                "add what is missing, remove what is there twice"
            )
        path = self.tree / paths[0].relative_to(self.folder).with_suffix(".TextGrid")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            if self.finished is None:
                write_textgrid(path, align_utterance(read_audio(paths[0]), texts[0]))
                return None
            key = digest_of([describe_file(paths[0]), texts[0], self.made_by])
            done = self.finished / key[:2] / f"{key}.TextGrid"
            if not _is_whole(done):
                alignment = align_utterance(read_audio(paths[0]), texts[0])
                with atomic_path(done) as temporary:
                    write_textgrid(temporary, alignment)
                record_digest(done)
        except PropertyNeuronsError as error:
            return str(error)
        shutil.copyfile(done, path)
        return None


def _is_whole(file: Path) -> bool:
    if not has_digest(file):
        return False
    with suppress(StoreError):
        check_digest(file)
        return True
    return False


@cache
def _decoder(pruned: bool) -> Decoder:
    beams = {} if pruned else {"beam": 0.0, "pbeam": 0.0, "wbeam": 0.0}
    return Decoder(
        lm=None,
        samprate=SAMPLE_RATE,
        cmn="batch",
        # The lattice's path has phones of one frame, which the second pass cannot place.
        bestpath=False,
        silprob=_SILENCE_PROBABILITY,
        loglevel="FATAL",
        **beams,
    )


def _search(pcm: bytes, words: Sequence[str], *, pruned: bool) -> list[tuple[int, int]] | None:
    """(first frame, label) of each phone, or None: words first, then the phones within them."""
    decoder = _decoder(pruned)
    spellings = [_spelling(decoder, word) for word in words]
    try:
        decoder.set_align_text(" ".join(spellings))
        _decode(decoder, pcm)
        if decoder.hyp() is None:
            return None
        decoder.set_alignment()
        _decode(decoder, pcm)
    except RuntimeError:
        return None
    return [(phone.start, _label(phone.name)) for word in decoder.get_alignment() for phone in word]


def _spelling(decoder: Decoder, word: str) -> str:
    """The word as the dictionary spells it ('em, mr.); else without quotes and full stops, added to the dictionary."""
    bare = word.strip("'.-")
    for spelling in (word, word.strip("'"), bare):
        if decoder.lookup_word(spelling) is not None:
            return spelling
    decoder.add_word(bare, " ".join(pronounce(bare)), False)
    return bare


def _decode(decoder: Decoder, pcm: bytes) -> None:
    # Feature extraction keeps something from one utterance to the next; this makes it forget.
    decoder.reinit_feat()
    decoder.start_utt()
    try:
        decoder.process_raw(pcm, full_utt=True)
    finally:
        decoder.end_utt()


def _label(name: str) -> int:
    return _FILLERS[name] if name in _FILLERS else LABEL_IDS[name]
