"""Grandfather, father, son: which backups are kept."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from monitoring.backup.generations import RECENT, Kept, passed

ZONE = ZoneInfo("Europe/Copenhagen")
NIGHT = datetime(2026, 11, 29, 0, tzinfo=UTC)


def nightly(count: int) -> list[datetime]:
    return [NIGHT - timedelta(days=n) for n in range(count)]


def test_of_a_years_nights_days_weeks_and_months_are_kept():
    nights = nightly(400)
    gone: set[datetime] = set()
    for count in range(1, 401):  # as it comes to be, night by night
        gone |= set(passed([at for at in nights[-count:] if at not in gone], Kept(), ZONE))
    kept = sorted(set(nights) - gone, reverse=True)
    assert kept[:7] == nights[:7]
    assert len({at.isocalendar()[:2] for at in kept if at > NIGHT - timedelta(weeks=4)}) >= 4
    assert len({(at.year, at.month) for at in kept}) == 12
    assert 7 + 3 + 10 <= len(kept) <= 7 + 5 + 12


def test_after_a_long_pause_what_is_there_stays():
    before = nightly(10)
    after = [NIGHT + timedelta(days=200), *before]
    assert passed(after, Kept(daily=7, weekly=2, monthly=2), ZONE) == sorted(before[6:])[: len(before[6:])]


def test_several_a_day_push_out_none_of_the_last_two_days():
    times = [NIGHT + timedelta(hours=n) for n in range(40)]
    assert passed(times, Kept(1, 0, 0), ZONE) == []


def test_a_day_is_the_campsites():
    """Half past midnight in Denmark is yesterday in UTC."""
    late, early = datetime(2026, 7, 1, 21, 30, tzinfo=UTC), datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    newest = early + timedelta(days=10)
    assert passed([late, early, newest], Kept(3, 0, 0), ZONE) == []
    assert passed([late, early, newest], Kept(3, 0, 0), UTC) == [late]


@given(
    st.lists(st.integers(0, 3_000), min_size=1, unique=True),
    st.builds(Kept, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
)
def test_the_newest_never_goes_and_to_ask_twice_changes_nothing(hours: list[int], kept: Kept):
    times = [NIGHT + timedelta(hours=hour) for hour in hours]
    gone = passed(times, kept, ZONE)
    assert all(max(times) - at > RECENT for at in gone)
    assert passed(set(times) - set(gone), kept, ZONE) == []
