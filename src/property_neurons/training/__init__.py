"""What pre-training and tasks share: the trainer, its checkpoints, the order of the utterances."""
