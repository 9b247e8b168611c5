"""Sirvoy's export of bookings closes a gap: shown before it is brought in, and never against a guest who is here."""

import json
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from bookings import csv_import, privacy
from bookings.csv_import import NotAnExport, What
from bookings.models import Booking, Guest, Stay, WebhookEvent
from tests import make
from tests.bookings import sirvoy

NOW = sirvoy.NOON
EXPORTED = NOW - timedelta(hours=1)
HEAD = "Booking ID,Room No.,Check-in,Check-out,Number of Guests,First Name,Last Name,Email,Guest Name,Status"
LINE = "47101,101,2026-07-10,2026-07-17,2,Anna,Müller,anna@example.com,,"


def export(*lines: str, head: str = HEAD) -> csv_import.Export:
    return csv_import.read("\n".join([head, *lines]).encode())


def plan(*lines: str, head: str = HEAD, at: datetime = EXPORTED) -> csv_import.Plan:
    return csv_import.compare(export(*lines, head=head), at, NOW)


def bring_in(*lines: str, head: str = HEAD, at: datetime = EXPORTED) -> csv_import.Plan:
    by = User.objects.filter(username="importer").first() or make.staff("importer")
    return csv_import.apply(export(*lines, head=head), at, by, NOW)


def what(made: csv_import.Plan) -> list[What]:
    return [entry.what for entry in made.entries]


def known(*rooms: dict, **values) -> Booking:
    """A booking that Sirvoy told some days ago."""
    sirvoy.send(sirvoy.booking(*(rooms or (sirvoy.room("101"),)), **values))
    return Booking.objects.get(sirvoy_id=values.get("number", sirvoy.NUMBER))


# --- reading ---------------------------------------------------------------------------------------------------------


def test_sirvoys_own_columns_are_read():
    head = (
        "Room No.,Check-in,Check-out,Number of Guests,Price per Night,First Name,Booking ID,Last Name,Company,Address,"
        "Post/Zip Code,City,Country,Phone,Email,Guest Message,Comment,Confirmed,Guest Name,Room Comment,Language"
    )
    line = (
        'F44,10-07-2026,2026-07-17,2,285,Åse,47101,Lund,,Vej 4,8000,Aarhus,dk,+45 1,a@b.dk,"Hej, ""du""",x,Yes,Ib,'
        "Skygge,Danish"
    )
    read = export(line, head=head)
    (row,) = read.rows
    assert (row.booking, row.room, row.arrival, row.departure, row.adults) == (
        *(47101, "F44"),
        *(date(2026, 7, 10), date(2026, 7, 17), 2),
    )
    assert row.guest == {
        **{"first_name": "Åse", "last_name": "Lund", "country": "DK", "phone": "+45 1", "email": "a@b.dk"},
        **{"message": 'Hej, "du"', "language": "da"},
    }
    assert (row.guest_name, row.room_comment, row.is_confirmed, row.is_checked_in) == ("Ib", "Skygge", True, None)
    assert (read.bad, read.ignored) == ((), ())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_any_usual_encoding_and_sign_between_columns(encoding, sign):
    content = f"{HEAD}\r\n{LINE}\r\n".replace(",", sign).encode(encoding)
    assert csv_import.read(content).rows[0].guest["last_name"] == "Müller"


def test_danish_names_of_columns_are_known_and_others_can_be_added():
    danish = "Bookingnr.;Værelse;Ankomst;Afrejse\n47101;101;2026-07-10;2026-07-17".encode()
    assert csv_import.read(danish).rows[0].room == "101"
    own = b"Booking ID,Stand,Check-in,Check-out,Weather\n47101,101,2026-07-10,2026-07-17,fine"
    read = csv_import.read(own, {"Stand": "Room No."})
    assert (read.rows[0].room, read.ignored) == ("101", ("Weather",))
    with pytest.raises(NotAnExport, match="Room No"):
        csv_import.read(own)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",101,2026-07-10,2026-07-17,2,,,,,", "no booking number"),
        ("x,101,2026-07-10,2026-07-17,2,,,,,", "no booking number"),
        ("1,101,10 July,2026-07-17,2,,,,,", "cannot be read"),
        ("1,101,2026-02-30,2026-07-17,2,,,,,", "no such date"),
        ("1,101,2026-07-17,9999-07-10,2,,,,,", "no such date"),
        ("1,101,2026-07-17,2026-07-10,2,,,,,", "before the check-in"),
        ("1,101,2026-07-10,2026-07-17,two,,,,,", "is no number"),
        ("1,101", "cannot be read"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_with_its_number(line, reason):
    read = export("", LINE, '2,102,2026-07-10,2026-07-17,2,"two\nlines",,,,', line)
    assert (len(read.rows), [bad.line for bad in read.bad]) == (2, [6])
    with translation.override("en"):
        assert reason in str(read.bad[0].reason)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x00\xff\xfe", b"a,b\n1,2", b'"' * 200_001])
def test_what_is_no_export_is_refused(content):
    with pytest.raises(NotAnExport):
        csv_import.read(content)


def test_too_large_a_file_is_refused():
    with pytest.raises(NotAnExport):
        csv_import.read(b"x" * 10_000_001)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content):
    try:
        csv_import.read(f"{HEAD}\n".encode() + content)
    except NotAnExport:
        pass


@pytest.mark.parametrize(
    ("status", "flags"),
    [
        ("", (None, None, None, None)),
        ("Confirmed", (True, False, False, False)),
        ("Unconfirmed", (False, None, None, None)),
        ("Ubekræftet", (False, None, None, None)),
        ("Checked in", (None, True, False, False)),
        ("Not checked in", (None, None, None, None)),
        ("Awaiting check-in", (None, None, None, None)),
        ("Checked out", (None, True, True, False)),
        ("Due for check-out today", (None, None, None, None)),
        ("Cancelled", (None, None, None, True)),
        ("Ikke annulleret", (None, None, None, None)),
        ("Udtjekket", (None, True, True, False)),
    ],
)
def test_the_status_is_the_strongest_thing_that_is_so(status, flags):
    (row,) = export(LINE + status).rows
    assert (row.is_confirmed, row.is_checked_in, row.is_checked_out, row.is_cancelled) == flags


@pytest.mark.parametrize(
    ("told", "flag"), [("", None), ("No", False), ("Not yet", False), ("Ikke", False), ("2026-07-10 14:03", True)]
)
def test_a_column_of_its_own_says_yes_no_or_nothing(told, flag):
    line = LINE.rsplit(",", 1)[0]
    (row,) = export(f"{line},{told}", head=HEAD.replace("Status", "Checked out")).rows
    assert row.is_checked_out is flag


# --- the dry run -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_dry_run_shows_what_is_new_changed_unchanged_and_unreadable_and_changes_nothing():
    known()
    known(number=47102)
    made = plan(
        LINE.replace("anna@example.com", ""),
        "47102,101,2026-07-10,2026-07-18,2,Anna,Müller,,,",
        "47103,101,2026-08-10,2026-08-18,2,Eva,,,,",
        "47104,101,soon,2026-08-18,2,Eva,,,,",
    )
    assert what(made) == [What.UNCHANGED, What.CHANGED, What.NEW]
    assert [(each.field, each.before, each.after) for each in made.entries[1].changes] == [
        ("departureDate", "2026-07-17", "2026-07-18"),
        ("rooms", "101 2026-07-10 – 2026-07-17", "101 2026-07-10 – 2026-07-18"),
    ]
    assert ([bad.line for bad in made.bad], WebhookEvent.objects.count()) == ([5], 2)


@pytest.mark.django_db
def test_a_booking_of_which_one_line_cannot_be_read_is_left_whole():
    made = plan(LINE, "47101,102,soon,2026-07-17,2,Anna,,,,")
    assert what(made) == [What.HELD]


@pytest.mark.django_db
def test_an_export_from_the_future_is_refused():
    with pytest.raises(NotAnExport):
        plan(LINE, at=NOW + timedelta(hours=1))


# --- bringing it in --------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_new_booking_comes_in_as_an_event_of_its_own_kind():
    pitch = make.pitch("101")
    made = bring_in(LINE + "Checked in")
    booking = Booking.objects.get(sirvoy_id=47101)
    event = WebhookEvent.objects.get()
    assert (event.origin, event.status, event.sirvoy_id) == ("import", "applied", 47101)
    assert json.loads(bytes(event.body))["bookingIsCheckedIn"] is True
    assert (booking.generated_at, booking.is_confirmed, booking.adults) == (EXPORTED, True, 2)
    assert booking.guest.email == "anna@example.com"
    stay = booking.stays.get()
    assert (stay.pitch, stay.status) == (pitch, Stay.Status.IN_HOUSE)
    assert LogEntry.objects.get_for_object(event).get().actor.username == "importer"
    assert made.failed == []


@pytest.mark.django_db
def test_several_lines_of_a_booking_are_a_group():
    bring_in(LINE, "47101,102,2026-07-10,2026-07-15,3,Anna,Müller,,Ib Berg,")
    booking = Booking.objects.get()
    assert [(room["name"], room["departure"]) for room in booking.rooms] == [
        ("101", "2026-07-17"),
        ("102", "2026-07-15"),
    ]
    assert (booking.adults, booking.departure) == (5, date(2026, 7, 17))
    assert booking.guest.room_guests[1]["name"] == "Ib Berg"


@pytest.mark.django_db
def test_bringing_it_in_twice_changes_nothing_more():
    lines = [LINE + "Checked in", "47101,102,2026-07-10,2026-07-15,3,Anna,Müller,,Ib Berg,Checked in"]
    bring_in(*lines)
    assert what(plan(*lines)) == [What.UNCHANGED]
    assert what(plan(*reversed(lines), at=EXPORTED + timedelta(minutes=1))) == [What.UNCHANGED]
    assert WebhookEvent.objects.count() == 1


@pytest.mark.django_db
def test_what_an_export_does_not_know_stays():
    item = {"description": "Elpakke 50 kWh", "quantity": "1", "price": "225", "itemTotal": 225}
    plate = {"name": "Nummerplade", "value": "AB 12 345"}
    known(sirvoy.room("101", id=7101), additionalItems=[item], customFields=[plate], came=True)
    bring_in(LINE.replace("2026-07-17", "2026-07-19"))
    booking = Booking.objects.get()
    assert booking.departure == date(2026, 7, 19)
    assert [each["description"] for each in booking.items] == ["Elpakke 50 kWh"]
    assert (booking.rooms[0]["room_id"], booking.guest.plates, booking.is_checked_in) == (7101, "AB 12 345", True)


@pytest.mark.django_db
def test_a_newer_event_is_not_overruled():
    known(minute=0)
    made = plan(LINE, at=NOW - timedelta(days=31))
    assert what(made) == [What.OLDER]
    bring_in(LINE.replace("2026-07-17", "2026-07-19"))
    sirvoy.send(sirvoy.booking(sirvoy.room("101"), minute=1))
    assert Booking.objects.get().departure == date(2026, 7, 19)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "line",
    [
        LINE + "Checked out",
        LINE + "Cancelled",
        LINE.replace("2026-07-17", "2026-07-11"),
        LINE.replace("2026-07-10", "2026-07-16"),
        LINE.replace("47101,101", "47101,102"),
    ],
)
def test_nobody_who_is_here_is_sent_away(line):
    make.pitch("101")
    booking = known(came=True)
    assert booking.stays.get().status == Stay.Status.IN_HOUSE
    made = bring_in(line)
    assert what(made) == [What.HELD]
    assert made.entries[0].reason
    assert (booking.stays.get().status, WebhookEvent.objects.count()) == (Stay.Status.IN_HOUSE, 1)


@pytest.mark.django_db
def test_a_check_in_that_was_missed_is_caught_up_and_none_is_taken_back():
    known()
    bring_in(LINE + "Checked in")
    assert Booking.objects.get().is_checked_in
    assert what(plan(LINE + "Confirmed", at=NOW)) == [What.UNCHANGED]


@pytest.mark.django_db
def test_nobody_is_checked_out_by_a_file():
    known(came=True, arrival="2026-07-01", departure="2026-07-03")
    Stay.objects.update(status=Stay.Status.LEFT)
    made = bring_in("47101,101,2026-07-01,2026-07-03,2,Anna,Müller,anna@example.com,,Checked out")
    assert not Booking.objects.get().is_checked_out
    assert not made.entries[0].reason  # who has left already needs nobody


def flags(number: int = 47101) -> tuple[bool, bool, bool]:
    """Checked in, checked out, cancelled."""
    found = Booking.objects.get(sirvoy_id=number)
    return found.is_checked_in, found.is_checked_out, found.is_cancelled


@pytest.mark.django_db
def test_who_is_expected_and_checked_out_in_the_file_is_neither_checked_in_nor_out_and_staff_are_told():
    known()
    line = LINE.replace("anna@example.com", "") + "Checked out"
    made = bring_in(line)
    assert (what(made), flags()) == ([What.HELD], (False, False, False))
    with translation.override("en"):
        assert "The file says checked out" in str(made.entries[0].reason)
    made = bring_in(line.replace("2026-07-17", "2026-07-16"))
    assert (what(made), flags()) == ([What.CHANGED], (False, False, False))
    assert made.entries[0].reason
    booking = Booking.objects.get()
    assert (booking.departure, booking.stays.get().status) == (date(2026, 7, 16), Stay.Status.EXPECTED)


@pytest.mark.django_db
def test_who_was_never_seen_and_is_checked_out_in_the_file_has_been_here():
    made = bring_in(LINE + "Checked out")
    assert (what(made), made.entries[0].reason, flags()) == ([What.NEW], "", (True, True, False))
    assert Stay.objects.get().status == Stay.Status.LEFT


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("Checked out", "Checked out", (True, True, False)),
        ("Checked out", "Checked in", (True, False, False)),
        ("Checked out", "Confirmed", (False, False, False)),
        ("Checked out", "", (False, False, False)),
        ("Checked in", "Confirmed", (True, False, False)),
        ("Cancelled", "Cancelled", (False, False, True)),
        ("Cancelled", "Checked in", (True, False, False)),
        ("Cancelled", "", (False, False, False)),
    ],
)
def test_a_group_never_seen_is_gone_only_where_each_of_its_lines_says_so(first, second, expected):
    made = bring_in(LINE + first, LINE.replace(",101,", ",102,") + second)
    assert flags() == expected
    assert bool(made.entries[0].reason) == (first == "Checked out" != second)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("Checked out", "Checked out", (False, False, False)),
        ("Checked out", "Checked in", (True, False, False)),
        ("Checked out", "Confirmed", (False, False, False)),
    ],
)
def test_of_a_known_group_only_a_line_that_says_checked_in_checks_in(first, second, expected):
    known(sirvoy.room("101"), sirvoy.room("102"))
    made = bring_in(LINE + first, LINE.replace(",101,", ",102,") + second)
    assert flags() == expected
    assert made.entries[0].reason


@pytest.mark.django_db
def test_a_cancelled_line_of_a_group_is_a_room_less():
    known(sirvoy.room("101"), sirvoy.room("102"))
    bring_in(LINE + "Confirmed", LINE.replace(",101,", ",102,").replace("2026-07-17", "2026-07-30") + "Cancelled")
    booking = Booking.objects.get()
    assert ([room["name"] for room in booking.rooms], booking.departure) == (["101"], date(2026, 7, 17))
    assert not booking.is_cancelled


@pytest.mark.django_db
def test_who_was_cancelled_and_is_checked_in_in_the_file_is_restored():
    make.pitch("101")
    known(cancelled=True)
    bring_in(LINE + "Checked in")
    assert flags() == (True, False, False)
    assert Stay.objects.get().status == Stay.Status.IN_HOUSE


@pytest.mark.django_db
def test_a_check_out_that_sirvoy_told_before_the_export_still_counts_when_it_comes_late():
    known(came=True)
    Stay.objects.update(status=Stay.Status.LEFT)
    bring_in(LINE + "Checked out")
    before_the_export = (EXPORTED - timedelta(minutes=5)).isoformat()
    sirvoy.send(sirvoy.booking(sirvoy.room("101"), came=True, left=True, generatedAt=before_the_export))
    assert flags() == (True, True, False)


@pytest.mark.django_db
def test_a_check_out_that_is_known_is_not_taken_back():
    known(came=True, left=True)
    made = bring_in(LINE + "Checked in")
    assert flags() == (True, True, False)
    assert what(made) == [What.CHANGED]  # the e-mail address is new


@pytest.mark.django_db
def test_a_guest_who_was_forgotten_stays_so():
    booking = known()
    privacy.forget(booking, None, NOW)
    bring_in(LINE.replace("2026-07-17", "2026-07-19").replace(",,", ",Ib,"))
    assert Guest.objects.get().last_name == ""
    newest = WebhookEvent.objects.latest("pk")
    assert b"Anna" not in bytes(newest.body)
    assert b"Ib" not in bytes(newest.body)


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_command_shows_and_only_with_apply_brings_in(tmp_path):
    file, out = tmp_path / "export.csv", StringIO()
    file.write_text(f"{HEAD}\n{LINE}\nx,,,,,,,,,\n")
    call_command("sirvoy_import", file, exported="2026-07-12T11:00", stdout=out)
    assert "47101 (line 2): new" in out.getvalue()
    assert "line 3:" in out.getvalue()
    assert "Nothing was changed" in out.getvalue()
    assert not Booking.objects.exists()
    call_command("sirvoy_import", file, "--apply", exported="2026-07-12T11:00", stdout=out)
    assert Booking.objects.get().generated_at == datetime(2026, 7, 12, 9, tzinfo=UTC)


@pytest.mark.django_db
@pytest.mark.parametrize("exported", ["yesterday", "2026-13-01T10:00", "2099-01-01T10:00"])
def test_the_command_asks_for_a_sensible_time(tmp_path, exported):
    file = tmp_path / "export.csv"
    file.write_text(f"{HEAD}\n{LINE}\n")
    with pytest.raises(CommandError):
        call_command("sirvoy_import", file, exported=exported)
