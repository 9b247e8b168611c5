"""The latest value of each quantity: many reports at once lead to what they lead to one by one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from meters.directory import Known
from meters.readings.latest import Latest, Report, take
from meters.zigbee2mqtt import State

T0 = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
KNOWN = Known(1, "0xa4c1380000000001", 1, 1, 3680, (), frozenset())
FRESH = st.frozensets(st.sampled_from(["state", "power", "voltage", "current", "energy"]))
FEW = st.none() | st.integers(0, 2)
STATES = st.builds(
    State,
    *(st.just("x"), st.none(), st.none(), FEW, st.none() | st.booleans(), FEW, FEW, FEW, FEW),
    st.dictionaries(st.sampled_from(["power_a", "power_b", "current_a"]), st.integers(0, 2)),
)
TOLD = st.lists(st.tuples(st.integers(0, 3), FRESH, STATES), min_size=1, max_size=8)


def known_before() -> Latest:
    return Latest(1, values={"power_w": 1, "relay": True}, at={"power_w": T0 + timedelta(seconds=2), "relay": T0})


@given(TOLD, st.sampled_from([(), ("a", "b")]))
def test_many_reports_at_once_lead_to_what_they_lead_to_one_by_one(
    told: list[tuple[int, frozenset[str], State]], phases: tuple[str, ...]
) -> None:
    """Whatever of them is fresh, and also where that changes on the way."""
    reports, seconds = [], 0
    for gap, fresh, state in told:
        seconds += gap
        who = replace(KNOWN, fresh=fresh, phases=phases)
        reports.append(Report(who, state, T0 + timedelta(seconds=seconds)))
    at_once, one_by_one = known_before(), known_before()
    powers = take(at_once, reports)
    assert powers == [power_w for report in reports for power_w in take(one_by_one, [report])]
    assert at_once == one_by_one
