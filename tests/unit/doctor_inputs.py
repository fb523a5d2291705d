"""A corpus of one utterance in which nothing is wrong."""

import numpy as np
import soundfile

TEXTGRIDS = {"kind": "textgrid", "path": "alignments/{subset}"}
GRID = """File type = "ooTextFile"
Object class = "TextGrid"

0
1
<exists>
1
"IntervalTier"
"phones"
0
1
2
0
0.25
"HH"
0.25
1
"AY1"
"""


def libri_speech(folder, speaker="1", number="0001", subset="a"):
    """One utterance of a second in LibriSpeech's layout: its audio and its TextGrid."""
    audio = folder / f"LibriSpeech/{subset}/{speaker}/2/{speaker}-2-{number}.flac"
    grid = folder / f"alignments/{subset}/{speaker}/2/{speaker}-2-{number}.TextGrid"
    for file in (audio, grid):
        file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(audio, np.random.default_rng(0).uniform(-0.3, 0.3, 16_000), 16_000)
    grid.write_text(GRID, encoding="utf-8")
    speakers = folder / "LibriSpeech/SPEAKERS.TXT"
    if not speakers.exists():
        speakers.write_text("1 | F | a | 1.0 | Somebody\n", encoding="utf-8")
    return audio, grid
