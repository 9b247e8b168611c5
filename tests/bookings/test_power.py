"""What the power of a meter should be, and why: the pure rules, by tables and by properties."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from bookings.hours import opening
from bookings.models import PowerRule
from bookings.power.policy import WORDS, Decision, Facts, Override, Package, Party, Why, decide, leaves_at
from meters.models import Pitch, Source

ZONE = ZoneInfo("Europe/Copenhagen")
TODAY = date(2026, 7, 10)
AUTOMATIC, NEVER_CUT, MANUAL = (frozenset({policy}) for policy in Pitch.Policy.values)


def bought(told_at: datetime | None, is_empty: bool = True, may_cut: bool = True) -> Package:
    return Package(is_empty, told_at, timedelta(hours=12), may_cut)


def at(hour: int, minute: int = 0, day: date = TODAY) -> datetime:
    """By the campsite's clock."""
    return datetime.combine(day, time(hour, minute), ZONE).astimezone(UTC)


def days(count: int) -> date:
    return TODAY + timedelta(days=count)


TOURING = PowerRule(kind="touring")
CABIN = PowerRule(kind="cabin", cleaning_from=time(10), cleaning_until=time(15))
OFF_WHEN_VACANT = PowerRule(kind="touring", when_vacant="off")
SERVICE = PowerRule(kind="service", follows_bookings=False)

STAYING = Party(1, departure=days(2))
LEAVING = Party(1, departure=TODAY)
OVERDUE = Party(1, departure=days(-1))
GONE = Party(1, departure=TODAY, ended_at=at(10))


def power(party: Party | None, now: datetime, rule: PowerRule | None = TOURING, **values: object) -> Decision:
    given = Facts(rule, AUTOMATIC, (party,) if party else ())
    return decide(replace(given, **values), now)


def told(party: Party, **values: object) -> Party:
    """One whose package is used up, and who was told of it yesterday at noon."""
    return replace(party, package=bought(**{"told_at": at(12, day=days(-1))} | values))


def test_a_departure_that_was_typed_into_the_past_ends_nothing_at_once():
    assert power(OVERDUE, at(14)).why == Why.OVERDUE
    typed = replace(OVERDUE, told_at=at(13))
    assert power(typed, at(14)).why == Why.LATE
    assert power(typed, at(14, day=days(1))).why == Why.OVERDUE


# --- by what is known ------------------------------------------------------------------------------------------------

TABLE = [
    # guests
    ("here", STAYING, at(9), TOURING, True, Why.HERE),
    ("here, nobody knows until when", Party(1), at(9), TOURING, True, Why.HERE),
    ("departs today", LEAVING, at(10, 59), TOURING, True, Why.HERE),
    ("should have left", LEAVING, at(11), TOURING, True, Why.LATE),
    ("at lunch the day after", OVERDUE, at(10, 59), TOURING, True, Why.LATE),
    ("should have left a day ago", OVERDUE, at(11), TOURING, False, Why.OVERDUE),
    ("may stay late", replace(OVERDUE, late_until=at(14)), at(13), TOURING, True, Why.HERE),
    ("an early end changes no date", replace(STAYING, late_until=at(8)), at(9), TOURING, True, Why.HERE),
    # after a check-out
    ("packs up", GONE, at(10, 14), TOURING, True, Why.GRACE),
    ("has packed up", GONE, at(10, 15), TOURING, False, Why.LEFT),
    ("left this morning, rule says leave alone", GONE, at(21, 59), TOURING, False, Why.LEFT),
    ("left in the morning, rule says leave alone", GONE, at(22), TOURING, None, Why.LEFT_ALONE),
    ("left in the morning, rule says off", GONE, at(22), OFF_WHEN_VACANT, False, Why.VACANT),
    ("who was cut before is not lit again", replace(OVERDUE, ended_at=at(12)), at(12, 5), TOURING, False, Why.LEFT),
    # nobody
    ("vacant", None, at(9), TOURING, None, Why.LEFT_ALONE),
    ("vacant, rule says off", None, at(9), OFF_WHEN_VACANT, False, Why.VACANT),
    ("service", STAYING, at(9), SERVICE, None, Why.NO_BOOKINGS),
    ("no pitch", None, at(9), None, None, Why.NO_PITCH),
    # packages
    ("used up, not told", told(STAYING, told_at=None), at(9), TOURING, True, Why.HERE),
    ("used up, told", told(STAYING, told_at=at(8)), at(9), TOURING, True, Why.WARNED),
    ("grace over at midnight, reception closed", told(STAYING), at(3), TOURING, True, Why.WARNED),
    ("reception opens", told(STAYING), at(8), TOURING, False, Why.USED_UP),
    ("what is over is charged", told(STAYING, may_cut=False), at(9), TOURING, True, Why.HERE),
    ("bought more", told(STAYING, is_empty=False), at(9), TOURING, True, Why.HERE),
]


@pytest.mark.parametrize(
    ("party", "now", "rule", "state", "why"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_power_by_what_is_known(party, now, rule, state, why):
    decision = power(party, now, rule)
    assert (decision.state, decision.why, decision.source) == (state, why, Source.POLICY)


def test_every_reason_has_its_words():
    assert set(WORDS) == set(Why)
    assert str(Decision(True, Why.HERE).words)


def test_it_is_told_until_when_and_for_whom():
    assert power(LEAVING, at(9)).until == at(11)
    assert power(LEAVING, at(12)).until == at(11, day=days(1))
    assert power(told(STAYING), at(3)).until == at(8)
    assert power(GONE, at(10, 5)) == Decision(True, Why.GRACE, until=at(10, 15), booking=1)
    assert power(STAYING, at(9)).booking == 1


def test_what_a_person_wants_is_handed_on_and_changes_nothing():
    override = Override(False, Source.STAFF, at(15))
    decision = power(STAYING, at(9), override=override)
    assert (decision.state, decision.override) == (True, override)


@pytest.mark.parametrize(
    ("policies", "party", "state", "why"),
    [
        (NEVER_CUT, STAYING, True, Why.HERE),
        (NEVER_CUT, OVERDUE, True, Why.KEPT),
        (NEVER_CUT, told(STAYING), True, Why.KEPT),
        (NEVER_CUT, None, None, Why.NEVER_CUT),
        (NEVER_CUT, GONE, None, Why.NEVER_CUT),
        (AUTOMATIC | NEVER_CUT, OVERDUE, True, Why.KEPT),
        (MANUAL, STAYING, None, Why.BY_HAND),
        (MANUAL, None, None, Why.BY_HAND),
    ],
)
def test_protected_pitches(policies, party, state, why):
    decision = power(party, at(14), OFF_WHEN_VACANT, policies=policies)
    assert (decision.state, decision.why) == (state, why)


def test_a_cut_never_begins_while_reception_is_closed_but_goes_on():
    """Also one that came due by day, while nobody could decide it."""
    party = told(STAYING, told_at=at(12, day=days(-2)))
    assert power(party, at(21)) == Decision(True, Why.WAITS, until=at(8, day=days(1)), booking=1)
    assert power(party, at(21), is_off=True).why == Why.USED_UP
    assert power(party, at(3, day=days(1)), is_off=True).state is False


def test_an_outlet_that_was_off_before_he_had_it_was_not_cut_for_him():
    party = told(STAYING, told_at=at(12, day=days(-2)))
    party = replace(party, since=at(20))
    assert power(party, at(21), is_off=True, off_since=at(19)).why == Why.WAITS
    assert power(party, at(21), is_off=True, off_since=at(20, 30)).why == Why.USED_UP


def test_two_guests_on_a_meter_have_power_while_one_of_them_may():
    assert decide(Facts(TOURING, AUTOMATIC, (OVERDUE, STAYING)), at(14)).state is True
    assert decide(Facts(TOURING, AUTOMATIC, (GONE, OVERDUE)), at(14)).why == Why.OVERDUE
    assert decide(Facts(TOURING, AUTOMATIC, (OVERDUE, GONE)), at(10, 5)).why == Why.LATE


def test_of_two_guests_the_one_who_has_it_longest_says_until_when():
    """But it is decided for one of them all the time."""
    facts = Facts(TOURING, AUTOMATIC, (LEAVING, replace(STAYING, booking=2)))
    for now in (at(9), at(12)):
        assert decide(facts, now) == Decision(True, Why.HERE, until=at(11, day=days(2)), booking=1)
    assert decide(Facts(TOURING, AUTOMATIC, (LEAVING, Party(3))), at(9)).until is None


def test_a_used_up_package_of_one_party_cuts_nobody_else_on_the_pitch():
    facts = Facts(TOURING, AUTOMATIC, (told(STAYING), replace(STAYING, booking=2)))
    assert [decide(facts, at(hour)).state for hour in (3, 8, 14, 21)] == [True] * 4


def test_reception_is_open_from_morning_to_evening():
    assert opening(at(7, 59)) == at(8)
    assert opening(at(8)) == at(8)
    assert opening(at(19, 59)) == at(19, 59)
    assert opening(at(20)) == at(8, day=days(1))


# --- cleaning, and the clock -----------------------------------------------------------------------------------------


def cleaned(now: datetime, day: date = TODAY, rule: PowerRule = CABIN) -> bool:
    decision = power(None, now, rule, departures=frozenset({day}))
    return decision.source == Source.CLEANING and decision.state is True


def test_a_cabin_has_cleaning_power_on_the_day_of_departure():
    assert [cleaned(at(hour)) for hour in (9, 10, 14, 15)] == [False, True, True, False]
    assert cleaned(at(14, 59))
    assert not cleaned(at(12), days(1))
    assert not cleaned(at(12), rule=TOURING)
    assert power(None, at(12), CABIN, departures=frozenset({TODAY})).until == at(15)


def test_who_is_here_stands_above_cleaning_and_cleaning_above_a_cut():
    departs = frozenset({TODAY})
    assert power(LEAVING, at(10, 30), CABIN, departures=departs).source == Source.POLICY
    assert power(GONE, at(10, 5), CABIN, departures=departs).why == Why.GRACE
    assert power(GONE, at(10, 30), CABIN, departures=departs).why == Why.CLEANING
    assert power(OVERDUE, at(14), CABIN, departures=departs).why == Why.CLEANING
    assert power(GONE, at(15), CABIN, departures=departs).why == Why.LEFT


def by_left(left: datetime, booked: date | None, now: datetime) -> tuple[bool | None, Why]:
    """What a cabin has whose guest left then, and was booked to leave on that day."""
    party = Party(1, departure=booked, ended_at=left)
    decision = power(party, now, CABIN, departures=frozenset({booked} if booked else ()), left=(left,))
    return decision.state, decision.why


TOMORROW = days(1)
CLEANED, OFF, ALONE = (True, Why.CLEANING), (False, Why.LEFT), (None, Why.LEFT_ALONE)


@pytest.mark.parametrize(
    ("left", "booked", "now", "expected"),
    [
        pytest.param(at(18), TOMORROW, at(12, day=TOMORROW), CLEANED, id="left the evening before"),
        pytest.param(at(6), TODAY, at(12), CLEANED, id="left early in the morning"),
        pytest.param(at(12), days(5), at(14), CLEANED, id="left days early, the same day"),
        pytest.param(at(18), days(5), at(12, day=TOMORROW), CLEANED, id="left days early, the day after"),
        pytest.param(at(18, day=days(-5)), TODAY, at(12), CLEANED, id="left days early, the day as booked"),
        pytest.param(at(18), TODAY, at(12, day=TOMORROW), CLEANED, id="left late, beyond cleaning"),
        pytest.param(at(15), TODAY, at(12, day=TOMORROW), CLEANED, id="left when cleaning ends"),
        pytest.param(at(14, 30), TODAY, at(12, day=TOMORROW), ALONE, id="left in time, no second cleaning"),
        pytest.param(at(18), None, at(12, day=TOMORROW), CLEANED, id="left, dates unknown"),
        pytest.param(at(2), TODAY, at(9, 59), OFF, id="left in the night, before cleaning"),
        pytest.param(at(2), TODAY, at(15), OFF, id="left in the night, after cleaning"),
        pytest.param(at(2), TODAY, at(2, 59, TOMORROW), OFF, id="left in the night, twelve hours after cleaning"),
        pytest.param(at(2), TODAY, at(3, day=TOMORROW), ALONE, id="left in the night, twelve hours are over"),
        pytest.param(at(18), TODAY, at(15, day=TOMORROW), OFF, id="left late, after cleaning on the day after"),
        pytest.param(at(9, day=days(-5)), TODAY, at(15), OFF, id="left days early, after cleaning on the booked day"),
    ],
)
def test_a_cabin_is_cleaned_and_then_off_however_its_guest_left(left, booked, now, expected):
    assert by_left(left, booked, now) == expected


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
def test_cleaning_and_what_follows_it_keep_to_the_clock_on_the_days_it_changes(day):
    """Who leaves in the evening before, and who leaves too late on the day itself."""
    before, after = day - timedelta(days=1), day + timedelta(days=1)
    for left, booked, cleaned_on in ((at(18, day=before), day, day), (at(18, day=day), day, after)):
        assert by_left(left, booked, at(9, 59, cleaned_on))[0] is not True
        assert by_left(left, booked, at(10, 0, cleaned_on)) == CLEANED
        assert by_left(left, booked, at(14, 59, cleaned_on)) == CLEANED
        assert by_left(left, booked, at(15, 0, cleaned_on)) == OFF


def test_the_next_guest_who_comes_during_cleaning_has_the_power_for_himself():
    facts = Facts(CABIN, AUTOMATIC, (GONE, replace(STAYING, booking=2)), frozenset({TODAY}), (at(10),))
    decision = decide(facts, at(13))
    assert (decision.why, decision.source, decision.booking) == (Why.HERE, Source.POLICY, 2)
    assert decide(facts, at(16)).state is True


def test_who_stays_beyond_cleaning_is_not_cut_by_its_end():
    late = replace(LEAVING, late_until=at(18))
    for hour, why in ((14, Why.HERE), (15, Why.HERE), (17, Why.HERE), (18, Why.LATE)):
        decision = power(late, at(hour), CABIN, departures=frozenset({TODAY}))
        assert (decision.state, decision.why) == (True, why)


def test_nobody_cleans_where_only_hands_switch():
    assert power(None, at(12), CABIN, departures=frozenset({TODAY}), policies=MANUAL).state is None


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        (date(2026, 3, 28), "09:00", "14:00"),  # winter: an hour before UTC
        (date(2026, 3, 29), "08:00", "13:00"),  # the clock goes forward at 02:00
        (date(2026, 7, 10), "08:00", "13:00"),
        (date(2026, 10, 24), "08:00", "13:00"),
        (date(2026, 10, 25), "09:00", "14:00"),  # the clock goes back at 03:00
    ],
)
def test_the_window_keeps_to_the_local_clock_through_both_changes(day, first, last):
    begins, ends = (datetime.combine(day, time.fromisoformat(told), UTC) for told in (first, last))
    moment = timedelta(seconds=1)
    seen = [cleaned(now, day) for now in (begins - moment, begins, ends - moment, ends)]
    assert seen == [False, True, True, False]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (TODAY, 24)])
def test_check_out_and_opening_keep_to_the_local_clock_through_both_changes(day, hours):
    before = day - timedelta(days=1)
    assert leaves_at(day, None) - leaves_at(before, None) == timedelta(hours=hours)
    assert opening(at(20, day=before)) - opening(at(8, day=before)) == timedelta(hours=hours)


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
def test_a_night_in_which_the_clock_changes_strands_nobody(day):
    party = Party(1, departure=day + timedelta(days=1), package=bought(at(12, day=day - timedelta(days=1))))
    now, opens = at(20, day=day - timedelta(days=1)), at(8, day=day)
    while now < opens:
        assert power(party, now).state is True
        now += timedelta(minutes=15)
    assert power(party, opens).why == Why.USED_UP


# --- properties ------------------------------------------------------------------------------------------------------

CHANGES = (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC), at(12))
NEAR = st.timedeltas(timedelta(days=-4), timedelta(days=4))
MOMENTS = st.builds(lambda change, gap: change + gap, st.sampled_from(CHANGES), NEAR)
PACKAGES = st.builds(
    Package, st.booleans(), st.none() | MOMENTS, st.timedeltas(timedelta(0), timedelta(days=2)), st.booleans()
)
PARTIES = st.builds(
    Party,
    st.integers(1, 9),
    st.none() | MOMENTS.map(datetime.date),
    st.none() | MOMENTS,
    st.none() | MOMENTS,
    st.none() | PACKAGES,
)
RULES = st.builds(
    PowerRule,
    follows_bookings=st.booleans(),
    when_vacant=st.sampled_from(PowerRule.Vacant.values),
    grace_min=st.integers(0, 600),
    overdue_h=st.integers(0, 100),
    cleaning_from=st.sampled_from([None, time(2, 30), time(10)]),
    cleaning_until=st.just(time(15)),
)
FACTS = st.builds(
    Facts,
    st.none() | RULES,
    st.frozensets(st.sampled_from(Pitch.Policy.values), max_size=2),
    st.lists(PARTIES, max_size=3).map(tuple),
    st.frozensets(MOMENTS.map(datetime.date), max_size=3),
    st.lists(MOMENTS, max_size=2).map(tuple),
    st.booleans(),
)


def is_within_time(party: Party, now: datetime) -> bool:
    leaves = leaves_at(party.departure, party.late_until)
    package = party.package
    is_cut = package and package.is_empty and package.may_cut and package.told_at
    is_cut = is_cut and package.told_at + package.grace <= now
    return party.ended_at is None and (leaves is None or now < leaves) and not is_cut


@given(FACTS, MOMENTS)
def test_what_is_never_cut_or_switched_by_hand_is_never_switched_off(facts, now):
    protected = replace(facts, policies=facts.policies | NEVER_CUT)
    assert decide(protected, now).state is not False
    assert decide(replace(facts, policies=facts.policies | MANUAL), now).state is None


@given(FACTS, MOMENTS)
def test_a_guest_within_his_time_is_never_off(facts, now):
    if any(is_within_time(party, now) for party in facts.parties):
        decision = decide(facts, now)
        follows = facts.rule is not None and facts.rule.follows_bookings and Pitch.Policy.MANUAL not in facts.policies
        assert decision.state is (True if follows else None)


@given(FACTS, MOMENTS)
def test_a_guest_who_is_here_is_not_cut_at_night_nor_untold(facts, now):
    decision = decide(replace(facts, is_off=False), now)
    if decision.why in (Why.OVERDUE, Why.USED_UP):
        local = now.astimezone(ZONE).time()
        assert time.fromisoformat(settings.RECEPTION_OPENS) <= local < time.fromisoformat(settings.RECEPTION_CLOSES)
    if decision.why == Why.USED_UP:
        assert any(p.package and p.package.told_at and p.package.told_at <= now for p in facts.parties)


@given(FACTS, MOMENTS)
def test_what_was_on_for_cleaning_is_switched_off_after_it(facts, now):
    decision = decide(facts, now)
    if decision.why == Why.CLEANING:
        after = decide(facts, decision.until)
        is_protected = Pitch.Policy.NEVER_CUT in facts.policies
        assert after.state is (None if is_protected else False) or after.booking


@given(FACTS, MOMENTS)
def test_nothing_is_on_but_for_a_guest_or_for_cleaning(facts, now):
    decision = decide(facts, now)
    if decision.state:
        assert decision.booking in {party.booking for party in facts.parties} or decision.why == Why.CLEANING
    assert (decision.source == Source.CLEANING) == (decision.why == Why.CLEANING)
    assert decision.until is None or decision.until > now
