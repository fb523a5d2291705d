"""Audio containers: whether a file holds as much as its header says.

Decoders read on over what is missing. libsndfile shortens WAV, OGG and SPHERE files that were cut, fills in FLAC frames
that are gone, and guesses the length of an MP3 file that does not say it. So each container is walked here from its
first byte to its last. One that cannot be walked, or does not say how long it is, is refused: nobody could tell a part
of it from the whole.

FLAC streams that were written to a pipe do not say their length either, but their frames bear numbers and checksums:
what is missing in the middle or of the last frame shows, whole frames at the end do not.
"""
