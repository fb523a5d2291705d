"""PocketSphinx against the Montreal Forced Aligner on real speech."""

import pytest

from property_neurons.corpus.audio import read_audio
from property_neurons.corpus.forced_alignment import align_utterance
from property_neurons.corpus.textgrid import read_textgrid
from property_neurons.corpus.transcripts import read_transcripts
from tests.agreement import agreement

SUBSET = "train-clean-100"


@pytest.mark.slow
@pytest.mark.sample
def test_agrees_with_the_montreal_forced_aligner(sample_data):
    """All 107 utterances: 86.3 % of cells, 85.5 % of phone cells, median boundary difference 10 ms."""
    root = sample_data / "LibriSpeech" / SUBSET
    transcripts = read_transcripts(root)
    # One utterance of each speaker.
    chosen = [min(speaker.rglob("*.flac")) for speaker in sorted(root.iterdir())]
    overall, speech, boundary_ms = agreement(
        (
            read_textgrid(next((sample_data / "alignments" / SUBSET).rglob(f"{audio.stem}.TextGrid"))),
            align_utterance(read_audio(audio), transcripts[audio.stem][0]),
        )
        for audio in chosen
    )
    assert len(chosen) == 4
    assert overall > 0.82
    assert speech > 0.80
    assert boundary_ms <= 15
