"""Corpora: audio, forced alignments, pitch and the frame tables made from them."""
