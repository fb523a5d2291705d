"""Training: self-supervised pre-training of MelHuBERT."""
