"""Which utterances a task was trained on."""

from property_neurons.tasks.table import read_task_data


def trained_utterances(data: str) -> set[tuple[str, str]]:
    """The (subset, utterance) pairs of a task's training part.

    Args:
        data: manifest of the task's utterances.

    Raises:
        StoreError: it is absent or damaged.
    """
    table = read_task_data(data).part("train")
    return set(zip(table["subset"], table["utterance"], strict=True))
