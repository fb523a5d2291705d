"""PocketSphinx against the Montreal Forced Aligner on real speech."""

import pytest

from property_neurons.corpus.alignments import read_textgrid
from property_neurons.corpus.audio import read_audio
from property_neurons.corpus.forced_alignment import Agreement, agreement, align_utterance
from property_neurons.corpus.librispeech import read_transcripts

SUBSET = "train-clean-100"


@pytest.mark.sample
def test_agrees_with_the_montreal_forced_aligner(sample_data):
    """All 107 utterances: 86.3 % of cells, 85.5 % of phone cells, median boundary difference 10 ms."""
    root = sample_data / "LibriSpeech" / SUBSET
    transcripts = read_transcripts(root)
    # One utterance of each speaker.
    chosen = [min(speaker.rglob("*.flac")) for speaker in sorted(root.iterdir())]
    total = Agreement()
    for audio in chosen:
        reference = read_textgrid(next((sample_data / "alignments" / SUBSET).rglob(f"{audio.stem}.TextGrid")))
        total += agreement(reference, align_utterance(read_audio(audio), transcripts[audio.stem][0]))
    assert len(chosen) == 4
    assert total.overall > 0.82
    assert total.speech > 0.80
    assert total.boundary_error_ms <= 15
