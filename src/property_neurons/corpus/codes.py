"""What can be wrong with an utterance, in words."""

CODES = {
    "alignment_longer_than_audio": "the alignment ends after the audio",
    "corrupt_audio": "the audio file is damaged or cut short",
    "duplicate_utterance": "the same utterance id occurs more than once",
    "empty_alignment": "the alignment holds nothing but silence",
    "frames_labels_mismatch": "the numbers of model frames and 20 ms labels differ by more than one",
    "labels_without_audio": "there is an alignment but no audio file",
    "missing_alignment": "there is audio but no alignment",
    "missing_audio": "a transcript or split names an utterance that has no audio file",
    "not_read": "a folder that cannot be looked into, or a link that leads nowhere",
    "read_once": "a file or folder that links reach on two ways",
    "segment_not_positive": "an aligned segment is of zero or negative length",
    "segments_overlap": "two aligned segments overlap",
    "stereo": "the audio has more than one channel",
    "too_short": "the audio is empty or shorter than one model frame",
    "unknown_phone": "the alignment holds a label that is no ARPABET phone",
    "unknown_speaker": "the gender of the speaker is not known",
    "unreadable_alignment": "the alignment cannot be parsed",
    "unusable_name": "a name is not UTF-8, or holds control characters",
    "wrong_sample_rate": "the audio is not sampled at 16 kHz",
}
