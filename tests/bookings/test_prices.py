"""Which tariff rules, which extras are packages, and a bill's arithmetic: pure."""

from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookings import prices
from bookings.models import Mode
from bookings.prices import Part, PatternError, Sold, Span, reckon

D = Decimal
PRICE, VAT, NONE = D("4.50"), D(25), D(0)


@dataclass
class Row:
    """A tariff without a table."""

    pk: int = 1
    mode: str = Mode.METERED
    kinds: list[str] = field(default_factory=lambda: ["touring"])
    season_only: bool = False
    valid_from: date = date(2026, 1, 1)
    price: Decimal = PRICE
    vat_percent: Decimal = VAT
    included_kwh_day: Decimal = NONE
    included_kwh_stay: Decimal = NONE


def metered(used: str, price: str = "4.50", allowance: str = "0", vat: str = "25", mode: str = Mode.METERED) -> Part:
    return Part(mode, D(price), D(vat), D(used), D(allowance))


# --- tariffs ---------------------------------------------------------------------------------------------------------


def test_the_newest_tariff_that_was_valid_at_arrival_rules():
    rows = [Row(1), Row(2, valid_from=date(2026, 6, 1)), Row(3, valid_from=date(2026, 8, 1))]
    assert prices.choose(rows, "touring", date(2026, 7, 31), False).pk == 2
    assert prices.choose(rows, "touring", date(2026, 8, 1), False).pk == 3
    assert prices.choose(rows, "touring", date(2025, 12, 31), False) is None


@pytest.mark.parametrize(("day", "nights"), [(1, (0, 3)), (2, (1, 2)), (9, (3, 0))])
def test_nights_are_split_within_the_stay(day, nights):
    parts = prices.Span(date(2026, 7, 1), date(2026, 7, 4)).split(date(2026, 7, day))
    assert tuple(part.nights for part in parts) == nights


def test_a_tariff_for_other_kinds_of_pitch_does_not_count():
    assert prices.choose([Row(kinds=["cabin"])], "touring", date(2026, 7, 1), False) is None


def test_one_for_season_guests_rules_over_a_newer_one_for_all():
    rows = [Row(1, season_only=True), Row(2, valid_from=date(2026, 6, 1))]
    assert prices.choose(rows, "touring", date(2026, 7, 1), True).pk == 1
    assert prices.choose(rows, "touring", date(2026, 7, 1), False).pk == 2


# --- packages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kwh"),
    [
        ("Elpakke 50 kWh", "50"),
        ("  ELPAKKE   50 KWH ", "50"),
        ("El-pakke 2,5 kWh, sæson", "2.5"),
        ("Elpakke 1.000 kWh", "1000"),
        ("Elpakke 12.50 kWh", "12.50"),
        ("Linned", None),
        ("Elpakke kWh", None),
        ("Elpakke 0 kWh", None),
        ("Elpakke 999999 kWh", None),
        ("Elpakke 50.5000 kWh", None),
        ("", None),
    ],
)
def test_a_package_is_known_by_its_text_and_number(text, kwh):
    assert prices.package_kwh(text, [("El*pakke # kWh*", None)]) == (D(kwh) if kwh else None)


def test_a_text_without_a_number_means_the_kwh_that_were_given():
    assert prices.package_kwh("Strøm hele sæsonen", [("*sæson*", D(100))]) == 100


def test_the_pattern_with_most_letters_of_its_own_rules():
    patterns = [("*pakke*", D(1)), ("*sæsonpakke*", D(100)), ("*# kwh*", None)]
    assert prices.package_kwh("Sæsonpakke 7 kWh", patterns) == 100


def test_signs_of_regular_expressions_are_plain_letters():
    assert prices.package_kwh("El (50 kWh)", [("El (# kWh)", None)]) == 50
    assert prices.package_kwh("Elx50 kWh", [("El.# kWh", None)]) is None


def test_no_pattern_makes_the_search_long():
    assert prices.package_kwh("a" * 200, [("*a" * 59 + "*b", D(1))]) is None


@given(st.text(max_size=60), st.text(alphabet="ab*# ", min_size=1, max_size=20))
def test_any_text_and_any_pattern_are_answered(text, pattern):
    found = prices.package_kwh(text, [(pattern.replace("#", "", max(pattern.count("#") - 1, 0)), D(5))])
    assert found is None or found > 0


@given(st.integers(1, 99_999), st.text(alphabet="abc ", max_size=5), st.text(alphabet="abc ", max_size=5))
def test_whole_numbers_are_read_back(kwh, before, after):
    assert prices.package_kwh(f"{before}-{kwh}-{after}", [("*-#-*", None)]) == kwh


@pytest.mark.parametrize(
    ("pattern", "kwh", "code"),
    [("**", D(1), "empty"), ("# af # kWh", None, "two_numbers"), ("Elpakke", None, "no_kwh"), ("El", D(0), "no_kwh")],
)
def test_a_pattern_that_means_nothing_is_refused(pattern, kwh, code):
    with pytest.raises(PatternError) as refused:
        prices.check_pattern(pattern, kwh)
    assert refused.value.code == code


def test_good_patterns_pass():
    prices.check_pattern("Elpakke # kWh", None)
    prices.check_pattern("*sæson*", D(100))


# --- nights and parties ----------------------------------------------------------------------------------------------


def test_a_party_that_moves_on_a_planned_day_is_one_and_a_group_is_many():
    first, second = Span(date(2026, 7, 1), date(2026, 7, 4)), Span(date(2026, 7, 4), date(2026, 7, 8))
    assert prices.parties([first, second]) == 1
    assert prices.parties([first, first, second]) == 2
    assert prices.parties([]) == 0
    assert prices.parties([Span(None, None), Span(None, None)]) == 2


def test_what_is_included_counts_nights_of_each_stay_and_parties():
    spans = [Span(date(2026, 7, 1), date(2026, 7, 4)), Span(date(2026, 7, 4), date(2026, 7, 8))]
    assert prices.allowance(Row(included_kwh_day=D(10), included_kwh_stay=D(5)), spans) == 75


def test_dates_that_make_no_sense_include_nothing():
    backwards = Span(date(2026, 7, 4), date(2026, 7, 1))
    assert prices.allowance(Row(included_kwh_day=D(10)), [backwards]) == 0


# --- the bill --------------------------------------------------------------------------------------------------------


def test_metered_kwh_cost_their_price_and_half_a_cent_is_rounded_up():
    total = reckon([metered("2.001", "2.50")], D(0))
    assert (total.amount, total.vat, total.mode) == (D("5.00"), D("1.00"), Mode.METERED)
    assert reckon([metered("0.25", "4.50")], D(0)).amount == D("1.13")


def test_included_kwh_are_free():
    total = reckon([metered("30", mode=Mode.INCLUDED)], D(0))
    assert (total.amount, total.billable_kwh, total.included_kwh, total.left_kwh) == (0, 0, 30, None)


def test_only_what_is_over_the_included_kwh_is_billed():
    total = reckon([metered("30", allowance="20")], D(0))
    assert (total.billable_kwh, total.amount) == (10, D("45.00"))


def test_packages_come_after_what_is_included_and_the_rest_is_billed():
    total = reckon([metered("80", allowance="10", mode=Mode.PACKAGE)], D(50))
    assert (total.packages_used_kwh, total.billable_kwh, total.left_kwh) == (50, 20, 0)
    assert total.amount == D("90.00")


def test_what_is_left_of_a_package_counts_what_is_included():
    assert reckon([metered("4", allowance="10", mode=Mode.PACKAGE)], D(50)).left_kwh == 56
    assert reckon([metered("25", allowance="10", mode=Mode.PACKAGE)], D(50)).left_kwh == 35


def test_packages_serve_the_dearest_kwh_first():
    total = reckon([metered("10", "2.00"), metered("10", "6.00")], D(10))
    assert total.amount == D("20.00")


def test_a_package_bought_on_a_metered_pitch_makes_it_a_package():
    assert reckon([metered("1")], D(50)).mode == Mode.PACKAGE


def test_packages_sold_here_are_charged_with_their_own_price():
    total = reckon([metered("0", mode=Mode.PACKAGE)], D(50), [Sold(D(50), D("225.00"), D(25))])
    assert total.amount == D("225.00")
    assert [(line.mode, line.energy_kwh, line.price) for line in total.lines] == [(Mode.PACKAGE, 50, D("4.5000"))]


def test_a_package_that_was_taken_back_costs_nothing():
    sold = [Sold(D(50), D("225.00"), D(25)), Sold(D(-50), D("-225.00"), D(25))]
    assert reckon([metered("0", mode=Mode.PACKAGE)], D(0), sold).amount == 0


def test_a_correction_below_zero_is_no_credit():
    assert reckon([metered("-5")], D(0)).amount == 0


KWH = st.decimals(0, 10_000, places=3)
PARTS = st.lists(
    st.builds(
        Part,
        mode=st.sampled_from(list(Mode.values)),
        price=st.decimals(0, 20, places=4),
        vat_percent=st.sampled_from([D(0), D(12), D(25)]),
        used_kwh=KWH,
        allowance_kwh=st.decimals(0, 500, places=2),
    ),
    min_size=1,
    max_size=5,
)
SOLD = st.lists(
    st.builds(Sold, st.decimals(1, 500, places=2), st.decimals(0, 900, places=2), st.just(D(25))), max_size=3
)


@given(PARTS, st.decimals(0, 2000, places=2))
def test_each_kwh_is_included_of_a_package_or_billed_and_nothing_twice(parts, packages):
    total = reckon(parts, packages)
    assert total.used_kwh == total.included_used_kwh + total.packages_used_kwh + total.billable_kwh
    assert total.packages_used_kwh <= packages
    assert min(total.included_used_kwh, total.packages_used_kwh, total.billable_kwh) >= 0


@given(PARTS, SOLD)
def test_the_amount_is_rounded_once_and_its_lines_sum_to_it(parts, sold):
    total = reckon(parts, D(0), sold)
    exact = sum((part.over_kwh * part.price for part in parts), D(0)) + sum((each.price for each in sold), D(0))
    assert total.amount == exact.quantize(D("0.01"), ROUND_HALF_UP)
    assert sum((line.amount for line in total.lines), D(0)) == total.amount


@given(PARTS, st.decimals(0, 2000, places=2), st.decimals(0, 100, places=2))
def test_more_packages_never_make_it_dearer(parts, packages, more):
    assert reckon(parts, packages + more).amount <= reckon(parts, packages).amount


@given(st.decimals(0, 100_000, places=2), st.sampled_from([D(0), D(12), D(25)]))
def test_the_vat_part_and_the_rest_make_the_amount(amount, percent):
    part = prices.vat_part(amount, percent)
    assert abs((amount - part) * (100 + percent) / 100 - amount) < D("0.000001")
