"""How much speech a corpus holds, without reading any audio."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import soundfile

from property_neurons import plan
from property_neurons.config.corpora import DemoCorpus, FolderCorpus, TableCorpus, VoxCelebCorpus
from property_neurons.config.root import Config
from property_neurons.corpus.audio import MAX_SAMPLES, SAMPLE_RATE
from property_neurons.doctor.samples import evenly, sampled_files
from property_neurons.errors import StoreError
from property_neurons.stores.files import read_table
from property_neurons.stores.tree import walk

# Of a model: one every 20 ms.
FRAMES_PER_SECOND = 50
# Subset of LibriSpeech: hours, utterances, speakers.
LIBRISPEECH = {
    "dev-clean": (5.39, 2703, 40),
    "dev-other": (5.12, 2864, 33),
    "test-clean": (5.40, 2620, 40),
    "test-other": (5.34, 2939, 33),
    "train-clean-100": (100.59, 28_539, 251),
    "train-clean-360": (363.61, 104_014, 921),
    "train-other-500": (496.86, 148_688, 1166),
}
_VOXCELEB1 = (352.0, 153_516)
# Bytes a second of 16 kHz speech takes: 16-bit samples; what FLAC makes of LibriSpeech; 64 kbit/s. Where files can be
# read, a few of them tell better.
_AUDIO_BYTES = {".wav": 32_000, ".flac": 17_400, ".mp3": 8_000, ".ogg": 8_000}
_SAMPLED = 5
# Folders that are looked into where a subset holds more.
_FOLDERS = 40
# Sentences are whole and every voice speaks its share: 18.4 minutes come of the 16 asked for.
_DEMO_SURPLUS = 1.15


@dataclass(frozen=True)
class Speech:
    """Seconds and utterances of a corpus, and how they are known."""

    seconds: float
    utterances: int
    source: str


def speech_of(config: Config, corpus: str) -> Speech:
    """How much speech a corpus holds: from its scan, else LibriSpeech's known sizes, else the size of its files."""
    section = config.corpora[corpus]
    if isinstance(section, DemoCorpus):
        seconds = section.minutes * 60 * _DEMO_SURPLUS
        return Speech(seconds, round(seconds / 10), "as configured")
    if isinstance(section, VoxCelebCorpus):
        return Speech(_VOXCELEB1[0] * 3600, _VOXCELEB1[1], "known size of VoxCeleb1")
    parts = [subset_speech(config, corpus, subset) for subset in plan.corpora.subsets(config, corpus)]
    sources = dict.fromkeys(part.source for part in parts)
    return Speech(sum(part.seconds for part in parts), sum(part.utterances for part in parts), ", ".join(sources))


def subset_speech(config: Config, corpus: str, subset: str) -> Speech:
    """As `speech_of`, of one subset of a corpus."""
    table = f"{plan.paths.subset(config, corpus, subset)}/utterances.parquet"
    # One that is damaged tells nothing; `sources.corpus_findings` names it.
    with suppress(StoreError):
        samples = read_table(table, columns=["n_samples"])["n_samples"]
        return Speech(samples.sum() / SAMPLE_RATE, len(samples), "as scanned")
    folder = Path(plan.corpora.source_root(config, corpus))
    if isinstance(config.corpora[corpus], TableCorpus | FolderCorpus):
        return _speech_by_size(folder)
    folder /= subset
    if subset in LIBRISPEECH:
        hours, utterances, speakers = LIBRISPEECH[subset]
        found = _folders_in(folder)
        if found is None or len(found) >= speakers:
            return Speech(hours * 3600, utterances, "known size of LibriSpeech")
    return _speech_by_size(folder)


def _folders_in(folder: Path) -> list[str] | None:
    """The names of the folders it holds, sorted; None where it cannot be looked into."""
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return None


def _speech_by_size(folder: Path) -> Speech:
    """An estimate from the files of all folders (speakers), or of some folders where there are many."""
    folders = _folders_in(folder) or []
    looked_into = evenly(folders, _FOLDERS)
    source = "by the size of the audio files"
    if len(looked_into) < len(folders):
        source = "by the size of a part of the audio files"
        files = [file for name in looked_into for file in walk(folder / name).ending(_AUDIO_BYTES)]
    else:
        files = walk(folder).ending(_AUDIO_BYTES)
    share = max(1, len(folders)) / max(1, len(looked_into))
    rates = {ending: _bytes_per_second(folder, ending, usual) for ending, usual in _AUDIO_BYTES.items()}
    seconds, utterances = 0.0, 0
    for path in files:
        # A link that leads nowhere is named by the scan.
        with suppress(OSError):
            seconds += path.stat().st_size / rates[path.suffix.lower()]
            utterances += 1
    return Speech(seconds * share, round(utterances * share), source)


def _bytes_per_second(folder: Path, ending: str, usual: float) -> float:
    """What a second of speech takes in a few files of an ending below a folder; `usual` where none can be read."""
    n_bytes, seconds = 0, 0.0
    for path in sampled_files(folder, [ending], _SAMPLED):
        with suppress(soundfile.SoundFileError, OSError):
            info = soundfile.info(path)
            # A stream that does not say its length is given one of half a million years.
            if info.frames <= MAX_SAMPLES:
                seconds += info.duration
                n_bytes += path.stat().st_size
    return n_bytes / seconds if seconds else usual
