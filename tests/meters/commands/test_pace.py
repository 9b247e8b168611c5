"""How fast commands go out. Pure."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from meters.commands.pace import JITTER, MANY, Lane, Pace


def test_the_first_goes_at_once_and_the_next_after_the_gap() -> None:
    lane = Lane()
    assert lane.wait_s(1000.0) == 0
    lane.take(1000.0, 4)
    assert lane.wait_s(1000.0) == 0.25
    assert lane.wait_s(1000.25) == 0


def test_a_pause_saves_up_nothing() -> None:
    lane = Lane()
    lane.take(0.0, 4)
    lane.take(100.0, 4)
    assert lane.wait_s(100.0) == 0.25


def test_areas_and_kinds_have_lanes_of_their_own() -> None:
    pace = Pace()
    pace.lane(1, "command").take(0.0, 1)
    waits = [pace.lane(*key).wait_s(0.0) for key in [(1, "command"), (1, "question"), (2, "command")]]
    assert waits == [1.0, 0.0, 0.0]


def test_many_that_switch_on_are_stretched_by_up_to_a_fifth() -> None:
    pace = Pace(lambda: 1.0)
    assert pace.stretch(MANY) == 1.0
    assert pace.stretch(MANY + 1) == 1.0 + JITTER


@given(st.lists(st.floats(0, 2), max_size=60), st.floats(0.2, 10), st.integers(0, 30))
def test_no_second_ever_holds_more_than_its_share(pauses: list[float], per_s: float, waiting: int) -> None:
    """Whoever asks when, two never go within less than the gap."""
    pace = Pace()
    lane, now, sent = pace.lane(1, "command"), 0.0, []
    for pause in pauses:
        now += pause
        if not lane.wait_s(now):
            lane.take(now, per_s, pace.stretch(waiting))
            sent.append(now)
    gaps = [b - a for a, b in pairwise(sent)]
    assert all(gap >= 1 / per_s - 1e-9 for gap in gaps)
