"""Downstream tasks: phone recognition, speaker identification and F0 reconstruction."""
