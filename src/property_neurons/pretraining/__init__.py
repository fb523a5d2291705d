"""Pre-training of MelHuBERT: log-Mel frames and targets in, one checkpoint per stage out."""
