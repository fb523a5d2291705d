"""Which utterances' activation values are kept: some minutes of speech, spread over the speakers."""

import hashlib

import pandas as pd

from property_neurons.corpus.audio import SAMPLE_RATE


def chosen_utterances(utterances: pd.DataFrame, minutes: float | None) -> pd.DataFrame:
    """The utterances whose values are kept: one of each speaker in turn, until they hold `minutes` of speech.

    A speaker's utterances come in the order of a hash of their ids, so that the choice depends on no shard and is
    always the same.

    Args:
        utterances: utterance, speaker, n_samples, and what else is known of them.
        minutes: None for all.

    Returns:
        rows of `utterances`, by id
    """
    table = utterances.sort_values("utterance", ignore_index=True)
    if minutes is None:
        return table
    order = [hashlib.blake2b(utterance.encode(), digest_size=8).hexdigest() for utterance in table["utterance"]]
    table = table.assign(_order=order).sort_values(["_order", "utterance"])
    table = table.assign(_turn=table.groupby("speaker").cumcount()).sort_values(["_turn", "_order", "utterance"])
    before = table["n_samples"].cumsum() - table["n_samples"]
    chosen = table[before < minutes * 60 * SAMPLE_RATE]
    return chosen.drop(columns=["_order", "_turn"]).sort_values("utterance", ignore_index=True)
