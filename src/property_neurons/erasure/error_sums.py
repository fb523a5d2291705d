"""The errors of an erasure's conditions, summed by part and test speaker, and resampled."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from property_neurons.editing.vocabulary import ALL
from property_neurons.erasure.table_terms import OTHERS, OWN
from property_neurons.errors import TaskError, some_of
from property_neurons.tasks.intervals import Resamples, resample


@dataclass(frozen=True)
class TestPart:
    """The tested utterances and speakers.

    units: the independent units: speakers or, of a single speaker, utterances.
    """

    utterances: int
    speakers: int
    units: int


class ErrorSums:
    """Rates of every condition and part, and the same over speakers drawn with replacement.

    Speakers are drawn once for all conditions and parts. Where groups share none (gender, speaker), those of a group
    are drawn on their own.

    apart: whether no two groups share a speaker.

    Args:
        runs: the scores of each seed: condition, utterance, speaker, part, error, weight, and `column`. Condition 0 is
            that of nothing edited.
        column: what is summed: "error", "surprisal" or "utterance_error".
        resamples: how many draws.

    Raises:
        TaskError: conditions that differ in their utterances; scores that are no finite numbers.
    """

    def __init__(self, runs: Sequence[pd.DataFrame], *, column: str, resamples: int) -> None:
        whole = runs[0][runs[0]["condition"] == 0]
        of_groups = whole[whole["part"] != ALL]
        self._whole = whole
        self._parts = pd.Index(whole["part"].unique())
        within = of_groups.drop_duplicates("utterance").set_index("utterance")["part"]
        self.apart = bool(of_groups.groupby("speaker")["part"].nunique().le(1).all())
        everyone = resample(whole, resamples=resamples)
        of_group = resample(of_groups, resamples=resamples, seed=1, within=within) if self.apart else everyone
        self._drawn = (everyone, of_group)
        for run in runs:
            _check(run, whole, column)
        self._sums = [[self._summed(run, column, drawn) for run in runs] for drawn in self._drawn]

    def _summed(self, run: pd.DataFrame, column: str, drawn: Resamples) -> np.ndarray:
        """[2 (errors, weights), conditions, parts, units]."""
        conditions, units = int(run["condition"].max()) + 1, drawn.times.shape[1]
        # A lone speaker of a group has units of utterances there, which `everyone` knows too.
        unit = drawn.unit_of.reindex(run["utterance"]).to_numpy()
        place = np.ravel_multi_index(
            (run["condition"].to_numpy(), self._parts.get_indexer(run["part"]), unit),
            (conditions, len(self._parts), units),
        )
        size = conditions * len(self._parts) * units
        summed = [np.bincount(place, run[name], minlength=size) for name in (column, "weight")]
        return np.stack(summed).reshape(2, conditions, len(self._parts), units)

    def rate(self, run: int, condition: int, part: str, erased: str) -> float:
        """The rate of one part ("own" and "others" by the erased group) under one condition of a seed.

        Raises:
            TaskError: nothing in it has any weight.
        """
        errors, weights = self._of_part(0, run, [condition], part, erased).sum(axis=-1)[:, 0]
        if weights == 0:
            raise TaskError(f"scores: expected weights above zero in {part}, found zero; test on more utterances")
        return float(errors / weights)

    def drawn_rates(self, at: Sequence[tuple[int, int]], part: str, erased: str) -> np.ndarray:
        """The rates of (seed, condition) pairs in each resample: [resamples, pairs], NaN where nothing is drawn."""
        which = 0 if part in (ALL, OTHERS) else 1
        sums = np.concatenate([self._of_part(which, run, [one], part, erased) for run, one in at], axis=1)
        errors, weights = self._drawn[which].times @ sums.transpose(0, 2, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(weights > 0, errors / weights, np.nan)

    def _of_part(self, which: int, run: int, conditions: list[int], part: str, erased: str) -> np.ndarray:
        """[2, conditions, units]."""
        summed = self._sums[which][run][:, conditions]
        if part == OTHERS:
            return summed[:, :, ~self._parts.isin([ALL, erased])].sum(axis=2)
        return summed[:, :, self._parts.get_loc(erased if part == OWN else part)]

    def tested(self, part: str, erased: str) -> TestPart:
        """Who is tested in a part."""
        parts = self._whole["part"]
        chosen = ~parts.isin([ALL, erased]) if part == OTHERS else parts == (erased if part == OWN else part)
        rows = self._whole[chosen & (self._whole["weight"] > 0)]
        speakers, utterances = rows["speaker"].nunique(), rows["utterance"].nunique()
        return TestPart(
            self._whole.loc[chosen, "utterance"].nunique(), speakers, speakers if speakers > 1 else utterances
        )


def _check(run: pd.DataFrame, whole: pd.DataFrame, column: str) -> None:
    expected = set(zip(whole["utterance"], whole["part"], strict=True))
    for condition, rows in run.groupby("condition"):
        found = set(zip(rows["utterance"], rows["part"], strict=True))
        if found != expected or len(rows) != len(whole):
            differing = sorted({name for name, _ in found ^ expected}) or ["some twice"]
            raise TaskError(
                f"scores of an erasure: expected all conditions on the same utterances, found {some_of(differing)} "
                f"otherwise in condition {condition}; delete the folder and run again"
            )
    wrong = run["utterance"][~np.isfinite(run[[column, "weight"]]).all(axis=1) | (run["weight"] < 0)]
    if len(wrong):
        raise TaskError(
            "scores: expected finite errors and weights of zero or more, "
            f"found others for {some_of(sorted(set(wrong)))}; score them again"
        )
