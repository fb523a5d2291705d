"""Kills at random moments: the same bytes in the end, and nothing repeated but what was hurt."""

import pandas as pd
import pytest

from tests.drills.drill import VICTIMS, Kill

pytestmark = pytest.mark.drill


def test_kills_at_random_moments_change_nothing(drill, request):
    kills, seed, table = (request.config.getoption(name) for name in ("--kills", "--seed", "--table"))
    outcomes = []
    for number in range(kills):
        outcomes.append(drill.do(Kill.draw(number, seed)))
        print(*outcomes[-1].row().values(), sep="\t", flush=True)
        if table is not None:
            pd.DataFrame([outcome.row() for outcome in outcomes]).to_csv(table, sep="\t", index=False)
    assert [outcome for outcome in outcomes if not outcome.good] == []
    # Had no kill fallen in a job's work, or after a checkpoint, the drill would prove little.
    if kills >= 20:
        assert {outcome.kill.victim for outcome in outcomes if outcome.alive} == set(VICTIMS)
        assert any(outcome.checkpoint for outcome in outcomes)
