"""Accounts of bookings: tariffs that rule, bills, packages sold, charges, notices, and what the power policy asks."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from auditlog.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings import accounts
from bookings.models import Booking, Charge, Mode, PackageNotice, PackagePattern, Stay
from tests import make

pytestmark = pytest.mark.django_db
D = Decimal
NOW = datetime(2026, 7, 12, 10, tzinfo=UTC)
LOW, EMPTY = PackageNotice.Level.LOW, PackageNotice.Level.EMPTY


@pytest.fixture
def by():
    return make.staff()


def here(kwh: str = "0", **values) -> Booking:
    """A booking in house that used so much, on a touring pitch."""
    booking = make.booking(**values)
    stay = make.stay(make.pitch(), booking=booking, began_at=timezone.now())
    if D(kwh):
        make.used(stay, kwh)
    return booking


def item(description: str, quantity: str = "1", **values) -> dict:
    return {"description": description, "quantity": quantity, "price": None, "total": None, "kwh": None} | values


def bill(booking: Booking) -> accounts.Bill:
    return accounts.bill([booking.pk])[booking.pk]


def package_tariff(**values):
    return make.tariff(**{"name": "Package", "mode": Mode.PACKAGE, "low_kwh": D(5), "grace_h": 12} | values)


# --- bills -----------------------------------------------------------------------------------------------------------


def test_a_metered_stay_costs_its_kwh():
    make.tariff()
    total = bill(here("12.345"))
    assert (total.used_kwh, total.amount, total.vat, total.due) == (D("12.345"), D("55.55"), D("11.11"), D("55.55"))
    assert (total.left_kwh, total.mode, total.has_no_tariff) == (None, Mode.METERED, False)


def test_all_stays_of_a_booking_make_one_account():
    make.tariff()
    booking = here("10")
    make.used(make.stay(make.pitch(), booking=booking), "5")
    assert bill(booking).used_kwh == 15


def test_the_price_agreed_at_arrival_stays_for_the_whole_stay():
    make.tariff(price=D(4), valid_from=date(2026, 1, 1))
    make.tariff(price=D(6), valid_from=date(2026, 7, 5))
    booking = here("1", arrival=date(2026, 7, 1), departure=date(2026, 7, 20))
    assert bill(booking).price == 4
    assert bill(here("1", arrival=date(2026, 7, 5), departure=date(2026, 7, 20))).price == 6


def test_a_hand_move_to_another_kind_of_pitch_changes_no_price():
    make.tariff(kinds=["touring"])
    make.tariff(kinds=["cabin"], price=D(9))
    booking = here("1")
    Stay.objects.update(pitch=make.pitch(kind="cabin"))
    assert bill(booking).amount == D("4.50")


@pytest.fixture
def from_cabin_to_touring() -> Stay:
    """Booked for July 1 to 11; in Sirvoy moved from a cabin (3 kWh a night) to a touring pitch on July 3."""
    make.tariff(kinds=["cabin"], included_kwh_day=D(3), price=D(1))
    make.tariff(kinds=["touring"])
    dates = {"arrival": date(2026, 7, 1), "departure": date(2026, 7, 11)}
    cabin, touring = make.pitch(kind="cabin"), make.pitch()
    stay = make.stay(touring, booking=make.booking(**dates))
    come, moved, left = (datetime(2026, 7, day, 9, tzinfo=UTC) for day in (1, 3, 11))
    make.served(stay, touring, moved, left, "5")
    make.served(stay, cabin, come, moved, "8")
    return stay


def test_who_moves_to_another_kind_of_pitch_in_sirvoy_pays_each_part_as_its_own(from_cabin_to_touring):
    total = bill(from_cabin_to_touring.booking)
    assert (total.used_kwh, total.included_kwh, total.amount) == (13, 6, 2 * D(1) + 5 * D("4.50"))


def test_what_is_corrected_is_of_the_last_kind_of_pitch_as_far_as_that_goes(from_cabin_to_touring):
    make.used(from_cabin_to_touring, "1")
    assert bill(from_cabin_to_touring.booking).amount == 2 * D(1) + 6 * D("4.50")
    make.used(from_cabin_to_touring, "-7")
    assert bill(from_cabin_to_touring.booking).amount == D(1)
    make.used(from_cabin_to_touring, "-70")
    assert bill(from_cabin_to_touring.booking).amount == 0


def test_a_kind_of_pitch_that_was_booked_for_no_night_includes_nothing():
    make.tariff(included_kwh_stay=D(10), kinds=["touring"])
    make.tariff(included_kwh_stay=D(10), kinds=["cabin"])
    booking = make.booking(arrival=date(2026, 7, 1), departure=date(2026, 7, 11))
    touring = make.pitch()
    stay = make.stay(touring, booking=booking)
    come, moved, again = (datetime(2026, 7, 1, hour, tzinfo=UTC) for hour in (9, 10, 11))
    make.served(stay, touring, come, moved, "1")
    make.served(stay, make.pitch(kind="cabin"), moved, again, "1")
    make.served(stay, touring, again, again + timedelta(days=9), "1")
    assert bill(booking).included_kwh == 10


def test_season_guests_have_their_own_tariff():
    make.tariff()
    make.tariff(season_only=True, mode=Mode.PACKAGE)
    season, other = make.stay(make.pitch(), is_season=True), make.stay(make.pitch())
    assert (bill(season.booking).mode, bill(other.booking).mode) == (Mode.PACKAGE, Mode.METERED)


def test_a_group_with_a_cabin_pays_only_for_its_pitches():
    make.tariff(kinds=["touring"])
    make.tariff(kinds=["cabin"], mode=Mode.INCLUDED, price=D(0))
    booking = here("10")
    make.used(make.stay(make.pitch(kind="cabin"), booking=booking), "40")
    total = bill(booking)
    assert (total.used_kwh, total.included_kwh, total.billable_kwh, total.amount) == (50, 40, 10, D("45.00"))


def test_included_nights_are_those_that_were_booked():
    make.tariff(included_kwh_day=D(3))
    total = bill(here("10", arrival=date(2026, 7, 1), departure=date(2026, 7, 4)))
    assert (total.included_kwh, total.billable_kwh) == (9, 1)


def test_a_room_that_is_no_part_any_more_includes_the_nights_that_it_lasted():
    make.tariff(included_kwh_day=D(3))
    booking = here("0", arrival=date(2026, 7, 1), departure=date(2026, 7, 11))
    ended = datetime(2026, 7, 3, 9, tzinfo=UTC)
    booking.stays.update(position=None, status=Stay.Status.LEFT, ended_at=ended)
    assert bill(booking).included_kwh == 6


def test_a_cancelled_stay_counts_only_what_it_used():
    make.tariff(included_kwh_day=D(3))
    booking = here()
    booking.stays.update(status=Stay.Status.CANCELLED)
    assert (bill(booking).included_kwh, bill(booking).amount) == (0, 0)
    make.used(booking.stays.get(), "100")
    assert bill(booking).amount > 0


def test_who_was_cancelled_after_his_check_in_was_taken_back_includes_no_nights():
    make.tariff(included_kwh_day=D(3))
    booking = here("5")
    booking.stays.update(status=Stay.Status.CANCELLED, began_at=None, ended_at=None)
    assert (bill(booking).included_kwh, bill(booking).billable_kwh) == (0, 5)


def test_without_a_tariff_the_bill_says_so():
    assert bill(here("1")).has_no_tariff
    assert not bill(here()).has_no_tariff


def test_a_bill_before_anybody_has_said_which_pitch():
    make.tariff()
    booking = make.booking(arrival=None, departure=None)
    make.stay(None, booking=booking, status=Stay.Status.EXPECTED)
    assert (bill(booking).amount, bill(booking).has_no_tariff) == (0, False)


def test_bills_of_many_bookings_take_as_many_queries_as_of_one():
    make.tariff()
    ids = [here("1", items=[item("Elpakke")]).pk for _ in range(6)]
    counts = []
    for some in (ids[:1], ids):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert set(accounts.bill(some)) == set(some)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12


def test_unknown_bookings_have_no_bill():
    assert accounts.bill([999_999]) == {}


# --- packages in Sirvoy ----------------------------------------------------------------------------------------------


def test_packages_in_sirvoy_count_with_their_quantity():
    package_tariff()
    booking = here("12", items=[item("Elpakke 10 kWh", "3", total="135", kwh="10"), item("Linned", total="75")])
    total = bill(booking)
    assert (total.packages_kwh, total.left_kwh, total.amount, total.in_sirvoy) == (30, 18, 0, D("135.00"))


def test_a_pattern_that_is_added_later_recognises_what_was_sold_before():
    package_tariff()
    booking = here(items=[item("Strømpakke 50 kWh", price="225")])
    assert bill(booking).packages_kwh == 0
    PackagePattern.objects.create(pattern="*pakke # kWh")
    assert (bill(booking).packages_kwh, bill(booking).in_sirvoy) == (50, D("225.00"))
    assert accounts.kwh_of(["STRØMPAKKE 50 kwh", "Linned"]) == {"STRØMPAKKE 50 kwh": 50, "Linned": None}


def test_items_of_any_shape_are_no_fault():
    booking = here(items=[{}, {"kwh": "x"}, {"kwh": "NaN", "quantity": None}, {"kwh": 5, "quantity": None}])
    assert bill(booking).packages_kwh == 5


# --- selling ---------------------------------------------------------------------------------------------------------


def test_a_package_that_staff_sell_is_used_first_and_charged_at_departure(by):
    package_tariff()
    booking = here("30")
    sold = accounts.sell(booking, D(50), D("225"), by, reason="cash later")
    total = bill(booking)
    assert (sold.vat_percent, sold.by, sold.reason) == (25, by, "cash later")
    assert (total.left_kwh, total.amount, total.vat) == (20, D("225.00"), D("45.00"))
    assert "50" in str(LogEntry.objects.get_for_object(booking).get().changes)


def test_what_was_sold_is_taken_back_by_a_negative_row(by):
    package_tariff()
    booking = here()
    accounts.sell(booking, D(50), D("225"), by)
    accounts.sell(booking, D(-50), D("-225"), by)
    assert (bill(booking).packages_kwh, bill(booking).amount) == (0, 0)
    with pytest.raises(accounts.NotSold):
        accounts.sell(booking, D(-1), D(0), by)


@pytest.mark.parametrize(("kwh", "price"), [("0", "1"), ("10", "-1"), ("-10", "1"), ("1000000", "1"), ("1", "9999999")])
def test_a_package_that_makes_no_sense_is_not_sold(by, kwh, price):
    with pytest.raises(accounts.WrongPackage):
        accounts.sell(here(), D(kwh), D(price), by)


# --- charging --------------------------------------------------------------------------------------------------------


def test_a_charge_notes_all_that_is_due_by_mode_and_price(by):
    make.tariff()
    booking = here("60")
    accounts.sell(booking, D(50), D("200"), by)
    made = accounts.charge(booking, by)
    assert {(row.mode, row.energy_kwh, row.price, row.amount) for row in made} == {
        (Mode.METERED, D("10"), D("4.5000"), D("45.00")),
        (Mode.PACKAGE, D("50"), D("4.0000"), D("200.00")),
    }
    assert (bill(booking).due, bill(booking).charged) == (0, D("245.00"))


def test_a_second_charge_has_nothing_to_note(by):
    make.tariff()
    booking = here("1")
    accounts.charge(booking, by)
    with pytest.raises(accounts.NothingDue):
        accounts.charge(booking, by)


def test_what_comes_after_a_charge_is_charged_as_a_difference(by):
    make.tariff()
    booking = here("10")
    accounts.charge(booking, by)
    make.used(booking.stays.get(), "-4")
    assert bill(booking).due == D("-18.00")
    (row,) = accounts.charge(booking, by)
    assert (row.energy_kwh, row.amount) == (D("-4"), D("-18.00"))


def test_a_charge_is_taken_back_by_a_negative_one(by):
    make.tariff()
    booking = here("10")
    accounts.charge(booking, by)
    accounts.take_back(booking, by)
    assert (bill(booking).due, Charge.objects.count()) == (D("45.00"), 2)
    with pytest.raises(accounts.NothingDue):
        accounts.take_back(booking, by)


def test_what_has_no_price_cannot_be_charged(by):
    with pytest.raises(accounts.NoTariff):
        accounts.charge(here("1"), by)


# --- notices ---------------------------------------------------------------------------------------------------------


def package(used: str, kwh: str = "50") -> Booking:
    return here(used, items=[item("Elpakke", kwh=kwh)])


def levels(booking: Booking) -> set[str]:
    return set(booking.notices.filter(ended_at=None).values_list("level", flat=True))


@pytest.mark.parametrize(("used", "level"), [("44.999", set()), ("45", {LOW}), ("49.9", {LOW}), ("50", {EMPTY})])
def test_a_package_that_runs_low_is_noticed_once(used, level):
    package_tariff()
    booking = package(used)
    for _ in range(3):
        accounts.watch_packages(NOW)
    assert (levels(booking), PackageNotice.objects.count()) == (level, len(level))


def test_who_needs_a_package_and_has_none_is_told_before_the_first_kwh():
    package_tariff()
    booking = here()
    accounts.watch_packages(NOW)
    assert levels(booking) == {LOW}


def test_metered_guests_have_no_notices():
    make.tariff()
    here("500")
    assert accounts.watch_packages(NOW) == 0


def test_a_used_up_package_replaces_the_notice_of_a_low_one():
    package_tariff()
    booking = package("46")
    accounts.watch_packages(NOW)
    make.used(booking.stays.get(), "4")
    accounts.watch_packages(NOW)
    assert levels(booking) == {EMPTY}


def test_buying_more_ends_the_notice_at_once(by):
    package_tariff()
    booking = package("50")
    accounts.watch_packages(NOW)
    accounts.sell(booking, D(50), D(225), by, now=NOW)
    assert levels(booking) == set()
    assert booking.notices.get().ended_at == NOW


def test_a_guest_who_left_is_told_nothing_more():
    package_tariff()
    booking = package("50")
    accounts.watch_packages(NOW)
    booking.stays.update(status=Stay.Status.LEFT)
    accounts.watch_packages(NOW)
    assert levels(booking) == set()


def test_staff_who_told_the_guest_are_noted_once(by):
    package_tariff()
    booking = package("50")
    accounts.watch_packages(NOW)
    notice = booking.notices.get()
    assert list(accounts.untold(NOW)) == [notice]
    assert accounts.told(notice, by, NOW)
    assert not accounts.told(notice, None, NOW + timedelta(hours=1))
    notice.refresh_from_db()
    assert (notice.told_at, notice.how, notice.by) == (NOW, PackageNotice.How.STAFF, by)
    assert list(accounts.untold(NOW)) == []


# --- what the power policy asks --------------------------------------------------------------------------------------


def test_an_empty_package_may_be_cut_only_where_the_tariff_says_so_and_tells_its_grace(by):
    package_tariff(cut_when_empty=True, grace_h=6)
    booking = package("50")
    accounts.watch_packages(NOW)
    (facts,) = accounts.power_facts([booking.pk], NOW).values()
    assert (facts.is_empty, facts.told_at, facts.grace, facts.may_cut) == (True, None, timedelta(hours=6), True)
    accounts.told(booking.notices.get(), by, NOW)
    assert accounts.power_facts([booking.pk], NOW)[booking.pk].told_at == NOW


def test_a_warning_that_it_runs_low_is_no_warning_that_it_is_empty(by):
    package_tariff(cut_when_empty=True)
    booking = package("46")
    accounts.watch_packages(NOW)
    accounts.told(booking.notices.get(), by, NOW)
    make.used(booking.stays.get(), "10")
    assert accounts.power_facts([booking.pk], NOW)[booking.pk].told_at is None


def test_an_old_warning_does_not_count_for_a_package_that_was_bought_since(by):
    package_tariff(cut_when_empty=True)
    booking = package("50")
    accounts.watch_packages(NOW)
    accounts.told(booking.notices.get(), by, NOW)
    accounts.sell(booking, D(10), D(45), by, now=NOW)
    make.used(booking.stays.get(), "10")
    accounts.watch_packages(NOW)
    facts = accounts.power_facts([booking.pk], NOW)[booking.pk]
    assert (facts.is_empty, facts.told_at) == (True, None)


def test_a_group_with_a_metered_pitch_is_not_cut():
    package_tariff(cut_when_empty=True, kinds=["touring"])
    make.tariff(kinds=["cabin"])
    booking = package("50")
    make.stay(make.pitch(kind="cabin"), booking=booking)
    assert not accounts.power_facts([booking.pk], NOW)[booking.pk].may_cut


def test_bookings_without_packages_are_left_out():
    make.tariff()
    assert accounts.power_facts([here("10").pk], NOW) == {}


@pytest.mark.django_db
def test_a_package_whose_kwh_cost_beyond_reason_is_refused():
    with pytest.raises(accounts.WrongPackage):
        accounts.sell(make.booking(), D("0.1"), D(450), make.staff())
    assert not Booking.objects.get().packages.exists()


def test_nights_that_a_cancelled_guest_was_not_here_include_nothing():
    make.tariff(included_kwh_day=D(10))
    booking = here("50", arrival=date(2026, 7, 12), departure=date(2026, 7, 17))
    assert bill(booking).billable_kwh == 0
    booking.stays.update(status=Stay.Status.CANCELLED, ended_at=NOW + timedelta(days=1))
    assert bill(booking).billable_kwh == 40
