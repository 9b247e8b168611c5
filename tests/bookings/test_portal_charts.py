"""The hours of a stay add up to its lines, whatever the meter's own hours say."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from bookings.portal import charts, drawing, local
from bookings.portal.charts import HOUR, Known, Stretch
from meters import ages

T0 = datetime(2026, 7, 12, 10, tzinfo=UTC)
COPENHAGEN = ZoneInfo("Europe/Copenhagen")


def stretch(minute: float, length: float, kwh: str, **hours: str) -> Stretch:
    """Hours as h0="1.5": from T0 on."""
    start = T0 + timedelta(minutes=minute)
    known = {T0 + int(name[1:]) * HOUR: Decimal(value) for name, value in hours.items()}
    return Stretch(start, start + timedelta(minutes=length), Decimal(kwh), known)


def used(*stretches: Stretch) -> list[tuple[float, str]]:
    return [((hour - T0) / HOUR, str(kwh)) for hour, kwh in sorted(charts.by_hour(stretches).items())]


def test_whole_hours_are_the_meters_own_and_the_edges_get_what_is_left():
    found = used(stretch(30, 120, "3", h0="2", h1="1", h2="2"))
    assert found == [(0, "1.000"), (1, "1"), (2, "1.000")]
    assert used(stretch(45, 30, "0.4", h0="4", h1="0")) == [(0, "0.400"), (1, "0.000")]


def test_where_nothing_is_known_of_the_edges_time_divides():
    assert used(stretch(30, 45, "0.3")) == [(0, "0.200"), (1, "0.100")]


def test_a_line_of_less_than_its_hours_shrinks_them_alike():
    assert used(stretch(0, 120, "1", h0="3", h1="1")) == [(0, "0.750"), (1, "0.250")]
    assert used(stretch(0, 120, "0", h0="3", h1="1")) == [(0, "0.000"), (1, "0.000")]


def test_no_hour_is_negative_because_others_were_rounded_up():
    assert used(stretch(0, 180, "0.003", h0="0.001", h1="0.001")) == [(0, "0.002"), (1, "0.001"), (2, "0.000")]


def test_two_lines_in_one_hour_are_added():
    assert used(stretch(0, 20, "1"), stretch(30, 20, "2")) == [(0, "3.000")]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 6000),
            st.integers(0, 3000),
            st.decimals(0, 500, places=3),
            st.dictionaries(st.integers(0, 150), st.decimals(0, 9, places=3)),
        )
    )
)
def test_together_they_are_the_ledger_to_the_wh(told):
    lines = [
        Stretch(
            T0 + timedelta(minutes=start),
            T0 + timedelta(minutes=start + length),
            kwh if length else Decimal(0),
            {T0 + hour * HOUR: value for hour, value in hours.items()},
        )
        for start, length, kwh, hours in told
    ]
    found = charts.by_hour(lines)
    assert sum(found.values(), Decimal(0)) == sum((line.kwh for line in lines), Decimal(0))
    assert all(kwh >= 0 for kwh in found.values())
    for hour in found:
        assert any(line.start < hour + HOUR and hour < line.end for line in lines)


def test_hours_before_the_stay_are_not_zero_but_none():
    until = T0 + timedelta(minutes=5)
    chart = charts.hourly({T0: Decimal("0.3")}, Known(T0 - timedelta(minutes=30), until), until, 4)
    assert [bar.kwh for bar in chart.bars] == [None, None, Decimal(0), Decimal("0.3")]
    assert chart.top_kwh == Decimal("0.5")
    assert chart.most == chart.bars[3]
    assert (chart.bars[3].left, chart.bars[3].height) == (75, 60)


def test_days_are_the_campsites_also_over_a_change_of_the_clock():
    start = datetime(2026, 10, 24, 12, tzinfo=UTC)
    hours = {start + index * HOUR: Decimal(1) for index in range(48)}
    until = start + 48 * HOUR
    chart = charts.daily(hours, Known(start, until), until, COPENHAGEN, 31)
    assert [bar.kwh for bar in chart.bars] == [10, 25, 13]
    assert chart.total_kwh == 48
    long_ago = Known(start - timedelta(days=90), start)
    assert len(charts.daily(hours, long_ago, start, COPENHAGEN, 31).bars) == 31


def test_what_is_not_known_yet_is_not_zero_either():
    silent = Known(T0 - 5 * HOUR, T0 - 3 * HOUR)
    chart = charts.hourly({T0 - 4 * HOUR: Decimal("0.3")}, silent, T0, 6)
    assert [bar.kwh for bar in chart.bars] == [Decimal(0), Decimal("0.3"), None, None, None, None]
    days = charts.daily({}, Known(T0 - 50 * HOUR, T0 - 49 * HOUR), T0, COPENHAGEN, 31)
    assert [bar.kwh for bar in days.bars] == [0, None, None]
    never = charts.hourly({}, Known(T0, T0), T0, 6)
    with translation.override("en"):
        assert drawing.hours(never).sum_up == "Not known yet"


def test_it_is_drawn_below_a_round_number_and_said_in_words():
    chart = charts.hourly({T0: Decimal("1.25"), T0 - HOUR: Decimal("0.75")}, Known(T0 - HOUR, T0 + HOUR), T0, 48)
    with translation.override("da"):
        drawn = drawing.hours(chart)
    assert drawn.top == "2"
    assert drawn.columns[-1].height == "52.50%", "with a point, whatever the language"
    assert drawn.columns[-1].kwh == "1,25"
    assert drawn.columns[0].kwh == ""
    assert drawn.sum_up.startswith("I alt 2,0 kWh")
    assert [word.text for word in drawn.words] == ["11. jul.", "12.00", "12. jul.", "12.00"]
    nothing = charts.hourly({}, Known(T0 - HOUR, T0), T0, 48)
    with translation.override("en"):
        assert drawing.hours(nothing).sum_up == "Nothing was used in this time."


def test_numbers_amounts_dates_and_ages_are_in_the_local_form():
    at = datetime(2026, 11, 24, 13, 5, tzinfo=UTC)
    forms = {}
    for language in ("da", "de", "nl", "en", "nb", "sv"):
        with translation.override(language):
            forms[language] = [
                local.number(Decimal("1234.55"), 1),
                local.amount(Decimal("1234.5")),
                local.moment(at),
                local.day(date(2026, 11, 24), weekday=True),
                ages.ago(at, at + timedelta(minutes=52)),
                local.span(timedelta(days=2)),
                local.power(3140),
            ]
    forms = {
        language: [text.replace("\xa0", " ").replace("\u202f", " ") for text in told]
        for language, told in forms.items()
    }
    assert forms["da"] == [
        "1.234,6",
        "1.234,50 kr.",
        "24. nov. 14.05",
        "tirs. 24. nov.",
        "for 52 minutter siden",
        "2 dage",
        "3,14 kW",
    ]
    assert forms["de"][:5] == ["1.234,6", "1.234,50 DKK", "24. Nov. 14:05", "Di., 24. Nov.", "vor 52 Minuten"]
    assert forms["nl"][:4] == ["1.234,6", "DKK 1.234,50", "24 nov 14:05", "di 24 nov"]
    assert forms["en"][:5] == ["1,234.6", "DKK 1,234.50", "24 Nov 14:05", "Tue 24 Nov", "52 minutes ago"]
    assert forms["nb"][0] == "1 234,6"
    assert forms["sv"][2] == "24 nov. 14:05"
