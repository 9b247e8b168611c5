"""How fast commands go out. Pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.commands.pace import EVEN, JITTER, MANY, MARGIN, Lane, Pace


def test_the_first_goes_at_once_and_the_next_after_most_of_the_gap() -> None:
    lane = Lane()
    assert lane.wait_s(1000.0) == 0
    lane.take(1000.0, 4)
    assert lane.wait_s(1000.0) == pytest.approx(EVEN * 0.25)
    assert lane.wait_s(1000.25) == 0


def test_a_pause_saves_up_nothing() -> None:
    lane = Lane()
    for now in (0.0, 0.3, 0.6, 100.0, 100.2, 100.4, 100.6):
        lane.take(now, 4)
    assert lane.wait_s(100.6) == pytest.approx(MARGIN - 0.6)


def test_what_came_late_is_caught_up_within_the_second() -> None:
    lane = Lane()
    for now in (0.0, 0.5, 0.7):
        lane.take(now, 4)
    assert lane.wait_s(0.7) < 0.25


def test_areas_and_kinds_have_lanes_of_their_own() -> None:
    pace = Pace()
    pace.lane(1, "command").take(0.0, 1)
    waits = [pace.lane(*key).wait_s(0.0) for key in [(1, "command"), (1, "question"), (2, "command")]]
    assert waits == [MARGIN, 0.0, 0.0]


def test_many_that_switch_on_go_in_an_uneven_rhythm() -> None:
    pace = Pace(lambda: 1.0)
    assert pace.evenness(MANY) == EVEN
    assert pace.evenness(MANY + 1) == EVEN - JITTER


@given(st.lists(st.floats(0, 2), max_size=60), st.floats(0.2, 10), st.integers(0, 30))
def test_no_second_ever_holds_more_than_its_share(pauses: list[float], per_s: float, waiting: int) -> None:
    """Whoever asks when: so many and one more never go within the time that so many take."""
    pace = Pace()
    lane, now, sent = pace.lane(1, "command"), 0.0, []
    for pause in pauses:
        now += pause
        if not lane.wait_s(now):
            lane.take(now, per_s, pace.evenness(waiting))
            sent.append(now)
    many = max(1, int(per_s))
    assert all(b - a >= many / per_s - 1e-9 for a, b in zip(sent, sent[many:], strict=False))
