"""The energy counter: what is believed, what is billed."""

from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.readings.counters import CONSISTENT, Counter, Doubt, Point, Rise, Step, advance, fits, goes_on
from meters.readings.spread import HOUR, apportion, hour_of, spread

START = datetime(2026, 7, 1, 10, tzinfo=UTC)
RATED_W = 63 * 230


def run(values: list[int], every: timedelta = timedelta(minutes=10), slack_s: float = 60) -> tuple[Counter, list[Step]]:
    counter, steps = Counter(), []
    for i, wh in enumerate(values):
        steps.append(advance(counter, Point(START + i * every, wh), RATED_W, slack_s))
        counter = steps[-1].counter
    return counter, steps


def billed(steps: list[Step]) -> int:
    return sum(rise.wh for step in steps for rise in step.rises)


def doubts(steps: list[Step]) -> list[Doubt]:
    return [doubt for step in steps for _, doubt, _ in step.doubts]


def test_a_rising_counter_bills_its_rise() -> None:
    counter, steps = run([858_320, 858_400, 858_400, 859_000])
    assert billed(steps) == 680
    assert counter.epoch == 1
    assert doubts(steps) == []


def test_the_first_value_bills_nothing() -> None:
    assert billed(run([858_320])[1]) == 0


def test_one_glitch_to_zero_bills_nothing_and_is_kept() -> None:
    counter, steps = run([5000, 0, 5100])
    assert billed(steps) == 100
    assert doubts(steps) == [Doubt.GLITCH]
    assert counter.epoch == 1


def test_a_reset_to_zero_is_believed_after_consistent_values_and_loses_nothing() -> None:
    counter, steps = run([100_000, 0, 300, 700, 900])
    assert billed(steps) == 900
    assert counter.epoch == 2
    assert doubts(steps) == [Doubt.FALL]


def test_nothing_is_billed_while_a_fall_is_not_yet_believed() -> None:
    _, steps = run([100_000, 0, 300])
    assert billed(steps) == 0


def test_a_roll_back_to_an_older_value_counts_on_from_there() -> None:
    counter, steps = run([100_000, 98_000, 98_500, 99_000, 101_000])
    assert billed(steps) == 3000
    assert counter.epoch == 2


def test_an_impossible_jump_is_never_billed() -> None:
    counter, steps = run([5000, 5_000_000, 5_000_100, 5_000_300])
    assert billed(steps) == 300
    assert doubts(steps) == [Doubt.JUMP]
    assert counter.epoch == 2


def test_a_jump_that_is_gone_again_was_a_glitch() -> None:
    _, steps = run([5000, 50_000, 5100, 5200])
    assert billed(steps) == 200
    assert doubts(steps) == [Doubt.GLITCH]


def test_a_step_of_2_57_kwh_within_a_minute_is_plausible_where_values_may_be_cached() -> None:
    _, steps = run([5000, 7570], every=timedelta(minutes=1), slack_s=3600)
    assert billed(steps) == 2570


def test_alternating_nonsense_is_never_billed() -> None:
    _, steps = run([5000, 900_000, 100, 800_000, 50, 700_000])
    assert billed(steps) == 0


minutes = st.integers(1, 600)
rises = st.integers(0, 2000)


@given(st.lists(st.tuples(minutes, rises), min_size=1, max_size=30))
def test_billed_is_the_true_use_of_an_honest_counter(steps: list[tuple[int, int]]) -> None:
    counter, at, wh, total = Counter(), START, 1000, 0
    for gap, rise in steps:
        at += timedelta(minutes=gap)
        wh += min(rise, gap * RATED_W // 60)
        step = advance(counter, Point(at, wh), RATED_W, 60)
        counter, total = step.counter, total + sum(r.wh for r in step.rises)
    assert total == (counter.last.wh if counter.last else 0) - (1000 + min(steps[0][1], steps[0][0] * RATED_W // 60))


@given(st.lists(st.integers(0, 2_000_000), min_size=1, max_size=40))
def test_whatever_comes_billed_never_falls_and_every_rise_was_possible(values: list[int]) -> None:
    counter, steps = run(values)
    for step in steps:
        for rise in step.rises:
            assert rise.wh >= 0
            assert fits(rise.start, rise.end, RATED_W, 60)
    ends = [rise for step in steps for rise in step.rises]
    for before, after in pairwise(ends):
        assert after.start.at >= before.end.at  # no time is billed twice
    counted = [point for step in steps for point, _ in step.counted]
    odd = [point for step in steps for point, doubt, _ in step.doubts if doubt is Doubt.GLITCH]
    assert len(counted) + len(odd) + len(counter.pending) == len(values)  # every value is somewhere, once
    assert len(counter.pending) < CONSISTENT


@given(st.integers(0, 2_000_000), st.integers(0, 2_000_000), st.integers(1, 3 * 86_400))
def test_a_value_that_simply_goes_on_leads_to_what_every_value_is_led_to(before: int, after: int, seconds: int) -> None:
    last, point = Point(START, before), Point(START + timedelta(seconds=seconds), after)
    step = advance(Counter(4, last), point, RATED_W, 60)
    ordinary = Step(Counter(4, point), counted=[(point, 4)], rises=[Rise(last, point)])
    assert goes_on(Counter(4, last), point, RATED_W, 60) == (step == ordinary)
    assert not goes_on(Counter(4, last, (Point(START, before + 1),)), point, RATED_W, 60)
    assert not goes_on(Counter(), point, RATED_W, 60)


@given(st.lists(rises, min_size=CONSISTENT, max_size=20), st.integers(0, 100_000))
def test_after_a_reset_nothing_measured_is_lost(after: list[int], before: int) -> None:
    values = [before + 1_000_000]
    values += [before + part for part in accumulate(after)]
    _, steps = run(values)
    assert billed(steps) == values[-1] - values[1]


# --- hours -----------------------------------------------------------------------------------------------------------


def test_use_within_an_hour_is_that_hours() -> None:
    assert spread(START, START + timedelta(minutes=60), 500, []) == {START: 500}


def test_without_watts_use_is_spread_evenly() -> None:
    start = START + timedelta(minutes=30)
    assert spread(start, start + HOUR, 1000, []) == {START: 500, START + HOUR: 500}


def test_with_watts_use_follows_them() -> None:
    start = START + timedelta(minutes=30)
    watts = [(start, 0), (START + HOUR, 2000)]
    assert spread(start, start + HOUR, 1000, watts) == {START: 0, START + HOUR: 1000}


def test_parts_sum_to_the_whole() -> None:
    assert apportion(10, [1, 1, 1]) == [4, 3, 3]


@given(
    st.integers(1, 3600 * 48),
    st.integers(0, 3599),
    st.integers(0, 100_000),
    st.lists(st.tuples(st.integers(-4000, 200_000), st.integers(-50, 20_000)), max_size=30),
)
def test_hours_always_sum_to_the_rise(length: int, offset: int, wh: int, watts: list[tuple[int, int]]) -> None:
    start = START + timedelta(seconds=offset)
    end = start + timedelta(seconds=length)
    readings = sorted((start + timedelta(seconds=s), w) for s, w in watts)
    parts = spread(start, end, wh, readings)
    assert sum(parts.values()) == wh
    assert all(part >= 0 for part in parts.values())
    assert all(hour_of(start) <= hour < end for hour in parts)


@pytest.mark.parametrize("local_day", ["2026-03-29", "2026-10-25"])
def test_clock_changes_do_not_matter_to_utc_hours(local_day: str) -> None:
    start = datetime.fromisoformat(f"{local_day}T00:00:00+00:00")
    parts = spread(start, start + 4 * HOUR, 400, [])
    assert list(parts.values()) == [100, 100, 100, 100]


def test_a_winter_of_standing_still_is_spread_in_one_pass() -> None:
    """A reading a minute for 90 days; hours times readings would take minutes."""
    days = 90
    watts = [(START + timedelta(minutes=m), 0) for m in range(days * 24 * 60)]
    watts[-30] = (watts[-30][0], 100)
    parts = spread(START, START + timedelta(days=days), 10, watts)
    assert len(parts) == days * 24
    assert parts[START + timedelta(days=days) - HOUR] == 10
