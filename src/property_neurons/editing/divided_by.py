"""Which properties can divide the errors of a task. A module of its own, so that the config loads no model."""

DIVIDED_BY = {
    "phone_recognition": ("label", "gender"),
    "speaker_identification": ("gender", "speaker"),
    "f0_reconstruction": ("f0", "gender"),
}
"""Columns of properties by kind of task; see `editing.parts`. Only speaker identification tests the speakers that a
task was trained on, who have the sets."""
