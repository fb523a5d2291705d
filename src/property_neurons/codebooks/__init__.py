"""k-means of frames, utterances or speakers: for the targets of pre-training, and for groups without labels."""
