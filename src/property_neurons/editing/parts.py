"""The errors of one utterance, divided by the groups of a property.

Errors of speaker identification count for the speaker's gender or name, phone errors for the class of the spoken phone,
F0 errors for the range of the true pitch. The part "all" is the task's own metric.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from rapidfuzz.distance import Levenshtein

from property_neurons.counting.count_store import Counts
from property_neurons.counting.pitch_bins import UNVOICED, pitch_ranges
from property_neurons.editing.divided_by import DIVIDED_BY
from property_neurons.editing.vocabulary import ALL
from property_neurons.errors import TaskError
from property_neurons.tasks.examples import Examples
from property_neurons.tasks.f0_tracks import ln_f0
from property_neurons.tasks.fine_tuned import FineTuned, predictions
from property_neurons.tasks.table import Kind, TaskData
from property_neurons.tasks.utterance_errors import decoded, log_likelihoods, utterance_error

Divide = Callable[[Mapping[str, str], np.ndarray, np.ndarray], list[tuple[str, float, float]]]
"""(row of the task's table, outputs, reference) -> (part, error, weight) of each part that the utterance has."""

SCORED = ("utterance", "speaker", "part", "error", "weight", "surprisal", "utterance_error")
_COLUMNS = ("gender", "speaker")


def divide_errors(data: TaskData, counts: Counts, column: str, f0: Mapping[str, np.ndarray] | None = None) -> Divide:
    """How errors of a task are divided by a property.

    Args:
        counts: of the property, for its groups and cuts.
        column: the property's own: "label", "f0", "gender", "speaker".
        f0: the track of each utterance, for "f0"; see `tasks.f0_tracks`.

    Raises:
        TaskError: the property does not divide the errors of such a task.
    """
    if column not in DIVIDED_BY[data.kind]:
        raise TaskError(
            f"erasure of {counts.property_name}: a property of {column} does not divide the errors of {data.kind}; "
            "erase phone classes in phone_recognition, pitch in f0_reconstruction, speakers in speaker_identification, "
            "gender anywhere"
        )
    if column in _COLUMNS:
        return own_errors(data, column)
    return _by_phone(data, counts) if column == "label" else _by_pitch(data, counts, f0 or {})


def own_errors(data: TaskData, column: str) -> Divide:
    """Errors divided by a column of the utterances: "gender" or "speaker"."""

    def divide(row, outputs, labels):
        error, weight = _score(data.kind, outputs, labels)
        return [(ALL, error, weight), (row[column], error, weight)]

    return divide


def error_table(trained: FineTuned, examples: Examples, divide: Divide, batch_size: int = 8) -> pd.DataFrame:
    """Score some utterances with the model as it is: a sorted table of `SCORED`, summed over each utterance's clips.

    The surprisal of the right speaker, in nats, tells more than errors do where these are few. It and
    `utterance_error`, whether all clips together name another speaker, are NaN for other tasks.
    """
    known = examples.table[["utterance", *_COLUMNS]].to_dict("records")
    identified = trained.data.kind == "speaker_identification"
    rows, likelihoods = [], defaultdict(float)
    for index, outputs, labels in predictions(trained, examples, batch_size):
        row, nats = known[index], np.nan
        if identified:
            clip = log_likelihoods(outputs)
            likelihoods[row["utterance"], labels.item()] += clip
            nats = -clip[labels.item()]
        rows += [(row["utterance"], row["speaker"], *part, nats) for part in divide(row, outputs, labels)]
    table = pd.DataFrame(rows, columns=list(SCORED[:-1]))
    table = table.groupby(["part", "utterance", "speaker"], as_index=False).sum(min_count=1)
    wrong = {utterance: float(likely.argmax() != label) for (utterance, label), likely in likelihoods.items()}
    return table.assign(utterance_error=table["utterance"].map(wrong).astype(np.float64))[list(SCORED)]


def _by_phone(data: TaskData, counts: Counts) -> Divide:
    group_of_phone = {label: group for group, label in (counts.cells[cell] for cell in counts.phone_cells)}
    # A lexicon's units carry stress marks: AH0 is the phone AH.
    group_of_unit = np.array([group_of_phone.get(unit.rstrip("012"), "") for unit in data.labels], dtype=object)

    def divide(row, outputs, labels):
        reference, hypothesis = decoded(outputs, labels)
        operations = Levenshtein.editops(reference.tolist(), hypothesis.tolist())
        wrong = np.zeros(len(reference), dtype=bool)
        # Insertions are nobody's.
        wrong[[operation.src_pos for operation in operations if operation.tag != "insert"]] = True
        groups = group_of_unit[reference]
        of_group = [(group, groups == group) for group in counts.groups]
        found = [(group, float(wrong[own].sum()), float(own.sum())) for group, own in of_group]
        return [(ALL, float(len(operations)), float(len(reference))), *found]

    return divide


def _by_pitch(data: TaskData, counts: Counts, f0: Mapping[str, np.ndarray]) -> Divide:
    cuts = counts.pitch_cuts_hz
    if cuts is None:
        raise TaskError(
            f"erasure of {counts.property_name}: expected cuts in Hz, found none: either {counts.corpus} comes with "
            "pitch bins (choose pitch.method yaapt, praat or pyin), or F0 was cut within: speaker (name a property "
            "within: corpus)"
        )

    def divide(row, outputs, labels):
        labels = labels[: len(outputs)]
        # Labels are ln F0 in single precision, in which values beside a cut fall together: the track itself decides.
        track = f0[row["utterance"]][: len(labels)]
        if not np.array_equal(ln_f0(track), labels[: len(track)], equal_nan=True):
            raise TaskError(
                f"{row['utterance']}: expected the F0 that the task's references were made of, found another in the "
                "frame stores; make the task's table again (prepare_task) and train on it"
            )
        ranges = np.full(len(labels), UNVOICED, dtype=np.int8)
        ranges[: len(track)] = pitch_ranges(track, cuts)
        found = []
        for number, group in enumerate(counts.groups):
            own = np.where(ranges == number, labels, np.nan)
            found.append((group, *_score(data.kind, outputs, own)))
        return [(ALL, *_score(data.kind, outputs, labels)), *found]

    return divide


def _score(kind: Kind, outputs: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    error, weight, *_ = utterance_error(kind, outputs, len(outputs), labels)
    return float(error), float(weight)
