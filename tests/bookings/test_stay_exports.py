"""A stay's readings and the ledger as files: they sum to what the ledger says, and name nobody."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from pyarrow import parquet

from bookings import ledger, stay_exports
from bookings.models import Stay, StayMeter
from meters.files.answers import Format
from meters.files.tables import Table
from meters.models import Snapshot
from tests import make

pytestmark = pytest.mark.django_db
D = Decimal
JULY = date(2026, 7, 1), date(2026, 7, 31)
CAME = datetime(2026, 7, 5, 12, tzinfo=UTC)
LEFT = datetime(2026, 7, 8, 9, tzinfo=UTC)


def told(table: Table) -> list[dict[str, Any]]:
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows]


@pytest.fixture
def stay() -> Stay:
    """It moved: two lines that have ended, and a correction."""
    booking = make.booking(arrival=date(2026, 7, 5), departure=date(2026, 7, 8))
    make.guest(booking, last_name="Müller")
    made = make.stay(make.pitch("101"), booking=booking, status=Stay.Status.LEFT, ended_at=LEFT)
    make.served(made, made.pitch, CAME, CAME + timedelta(days=1), "12.345")
    make.served(made, made.pitch, CAME + timedelta(days=1), LEFT, "7.001")
    make.used(made, "-2.5")
    return made


def test_the_lines_of_a_file_sum_to_what_the_ledger_says(stay):
    used = ledger.used_kwh([stay])
    rows = told(stay_exports.of_stay(stay))
    assert sum(row["used_kwh"] for row in rows) == used.kwh == D("16.846")
    lines = [row for row in rows if row["what"] == "line"]
    assert [row["used_kwh"] for row in lines] == [row["end_kwh"] - row["start_kwh"] for row in lines]
    assert sum(row["used_kwh"] for row in lines) == sum(used.by_meter.values())
    assert {row["end_quality"] for row in lines} == {Snapshot.Quality.READ}


def test_a_month_holds_each_stay_that_was_here_whole(stay):
    make.used(make.stay(make.pitch("999")), "1")
    before = make.stay(make.pitch("102"), booking=make.booking(arrival=date(2026, 6, 1)))
    june = datetime(2026, 6, 30, 12, tzinfo=UTC)
    make.served(before, before.pitch, june - timedelta(days=9), june, "5")
    make.served(before, before.pitch, june, datetime(2026, 7, 2, tzinfo=UTC), "6")
    make.served(make.stay(make.pitch("103")), before.pitch, june - timedelta(days=9), june, "77")
    rows = told(stay_exports.of_days(*JULY))
    found = {each.pk: used.kwh for each in (stay, before) for used in [ledger.used_kwh([each])]}
    assert {pk: sum(row["used_kwh"] for row in rows if row["stay"] == pk) for pk in found} == found
    assert {row["stay"] for row in rows} == set(found)


def test_stays_are_read_some_at_a_time_and_none_is_left_out(stay, monkeypatch):
    monkeypatch.setattr(stay_exports, "STAYS_AT_ONCE", 2)
    for number in range(4):
        make.served(make.stay(make.pitch()), stay.pitch, CAME, LEFT, str(number + 1))
    rows = told(stay_exports.of_days(*JULY))
    assert len({row["stay"] for row in rows}) == 5
    assert sum(row["used_kwh"] for row in rows) == D("16.846") + 10


def test_what_a_meter_has_not_told_since_the_guest_came_is_empty_and_not_0():
    stay = make.stay(make.pitch("101"))
    make.line(stay, make.meter("101"))
    (row,) = told(stay_exports.of_stay(stay))
    assert (row["used_kwh"], row["end_kwh"], row["ends_at"]) == (None, None, None)


def test_a_meter_that_never_answered_told_no_use_though_it_was_waited_for():
    stay, meter = make.stay(make.pitch("101")), make.meter("101")
    line = make.line(stay, meter, since=CAME)
    end = Snapshot.objects.create(
        meter=meter, at=LEFT, energy_kwh=0, known_at=CAME, quality=Snapshot.Quality.LAST_KNOWN, settled_at=LEFT
    )
    StayMeter.objects.filter(pk=line.pk).update(end=end, period=DateTimeTZRange(CAME, LEFT))
    (row,) = told(stay_exports.of_stay(stay))
    assert (row["used_kwh"], row["end_quality"]) == (None, "last_known")


def test_a_stays_readings_are_those_of_its_meters_while_they_served_it(stay):
    first, second = stay.lines.order_by("period")
    for line in (first, second):
        for at in (line.period.lower - timedelta(minutes=1), line.period.lower, line.period.upper):
            make.reading(line.meter, at, power_w=1)
    make.reading(make.meter("another's"), CAME, power_w=2)
    rows = told(stay_exports.readings(stay))
    assert [(row["measured_at"], row["meter"]) for row in rows] == [
        (CAME, str(first.meter)),
        (CAME + timedelta(days=1), str(second.meter)),
    ]
    assert {(row["booking"], row["stay"]) for row in rows} == {(stay.booking.sirvoy_id, stay.pk)}


def test_csv_says_in_words_what_parquet_has_as_a_code(stay):
    with translation.override("en"):
        parts = Format.CSV.parts(stay_exports.of_stay(stay))
    row = next(csv.DictReader(io.StringIO(b"".join(parts).decode("utf-8-sig"))))
    assert (row["how sure at its end"], row["line or correction"]) == ("read", "line")
    make.line(stay, make.meter("next"))
    Snapshot.objects.filter(meter__device__friendly_name="next").update(quality=Snapshot.Quality.WAITING)
    with translation.override("en"):
        parts = Format.CSV.parts(stay_exports.of_stay(stay))
    assert "the meter is being asked" in b"".join(parts).decode()
    found = parquet.read_table(io.BytesIO(b"".join(Format.PARQUET.parts(stay_exports.of_stay(stay)))))
    assert found.column("what").to_pylist() == ["line", "line", "line", "correction"]
    assert found.column("start_quality").to_pylist() == ["read", "read", "waiting", None]


def test_a_file_names_nobody(stay):
    with translation.override("da"):
        for table in (stay_exports.of_stay(stay), stay_exports.of_days(*JULY)):
            assert "Müller" not in str([*table.columns, *table.rows])


# --- where staff find them -------------------------------------------------------------------------------------------


def client(*permissions: str, group: str = "") -> Client:
    user = make.staff(f"user {permissions}{group}")
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    if group:
        user.groups.add(Group.objects.get(name=group))
    made = Client(headers={"accept-language": "en"})
    made.force_login(user)
    return made


def test_reception_takes_a_stays_readings_and_ledger_along_from_its_page(stay):
    chief = client(group="reception")
    page = chief.get(reverse("reception_booking", args=[stay.booking.sirvoy_id])).content.decode()
    for what, rows in (("readings", 0), ("ledger", 3)):
        url = reverse("reception_data", args=[stay.pk, what])
        assert f'href="{url}"' in page
        assert f'href="{url}?format=parquet"' in page
        found = parquet.read_table(io.BytesIO(b"".join(chief.get(url, {"format": "parquet"}))))
        assert found.num_rows == rows
    assert chief.get(reverse("reception_data", args=[stay.pk, "everything"])).status_code == 404


def test_who_may_not_see_guests_does_not_get_a_stays_readings(stay):
    url = reverse("reception_data", args=[stay.pk, "readings"])
    assert client("view_stay", "view_meter").get(url).status_code == 403
    assert client("view_stay", "view_guest").get(url).status_code == 403


def test_a_month_is_taken_along_from_its_page(stay):
    chief = client(group="reception")
    page = chief.get(reverse("admin:bookings_charge_data"), {"month": "2026-07"}).content.decode()
    assert 'name="what" value="ledger"' in page
    answer = chief.get(reverse("admin:bookings_charge_data_export"), {"month": "2026-07", "what": "ledger"})
    assert answer.headers["Content-Disposition"] == 'attachment; filename="ledger-2026-07-01-2026-07-31.csv"'
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode("utf-8-sig"))))
    assert [row["used kWh"] for row in rows] == ["12.345", "7.001", "-2.500"]


@pytest.mark.parametrize("month", ["2026-13", "2999-01", "", "x"])
def test_a_month_that_is_none_or_still_to_come_is_this_one(month):
    answer = client(group="reception").get(reverse("admin:bookings_charge_data"), {"month": month})
    assert answer.context["month"] == timezone.localdate().replace(day=1)


def test_a_month_of_what_there_is_not_is_not_found():
    answer = client(group="reception").get(reverse("admin:bookings_charge_data_export"), {"what": "guests"})
    assert answer.status_code == 404


def test_who_may_see_meters_or_stays_alone_gets_no_month():
    for asking in (client("view_stay"), client("view_meter")):
        for name in ("data", "data_export"):
            assert asking.get(reverse(f"admin:bookings_charge_{name}")).status_code == 403


def test_the_months_page_asks_for_nothing_but_who_it_is(django_assert_num_queries):
    chief = client(group="reception")
    chief.get(reverse("admin:bookings_charge_data"))
    with django_assert_num_queries(4):  # session, user, permissions of the user and of groups
        chief.get(reverse("admin:bookings_charge_data"))


# --- the command -----------------------------------------------------------------------------------------------------


def export(*arguments: str, out: Path) -> bytes:
    call_command("export", *arguments, "--out", str(out))
    return out.read_bytes()


def test_the_command_writes_each_of_them(stay, tmp_path):
    line = stay.lines.order_by("period").first()
    make.reading(line.meter, CAME, power_w=25)
    make.hour(line.meter, CAME, energy_wh=5)
    out = tmp_path / "file"
    name = line.meter.device.ieee_address
    assert b";25;" in export("stay", str(stay.pk), out=out)
    assert b",12.345," in export("stay", str(stay.pk), "--what", "ledger", "--language", "en", out=out)
    assert b";25;" in export("meter", name, "--from", "2026-07-01", "--to", "2026-07-31", out=out)
    assert parquet.read_table(io.BytesIO(export("month", "2026-07", "--format", "parquet", out=out))).num_rows == 1
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["stay", "999999"], "no stay"),
        (["stay", "x"], "no stay"),
        (["meter", "nobody"], "No meter is called nobody"),
        (["meter", "twice"], "several: 0x"),
        (["month", "2026-7"], "no month"),
        (["month", "2026-07", "--what", "readings"], "only: hours, days, ledger"),
        (["meter", "once", "--from", "2026-07-02", "--to", "2026-07-01"], "must not be after"),
    ],
)
def test_what_there_is_not_is_said_and_no_file_is_made(arguments, why, tmp_path):
    for name in ("once", "twice", "twice"):
        make.meter(name, area=make.area())
    with pytest.raises(CommandError, match=why):
        export(*arguments, out=tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(CommandError, match="Nothing was written"):
        export("month", "2026-07", out=tmp_path / "none" / "file")


def test_the_command_says_from_when_on_there_are_raw_readings(capsys, tmp_path):
    make.reading(make.meter("101"), timezone.now())
    export("meter", "101", "--from", "2020-01-01", out=tmp_path / "file")
    assert "There are raw readings from" in capsys.readouterr().err
