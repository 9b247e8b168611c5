"""What guests report is kept once, with what was known then; it is solved once, and forgotten with its guest."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings import privacy, reports
from bookings.models import ProblemReport, Stay
from meters.models import Command, Meter, Source, Want
from tests import make

pytestmark = pytest.mark.django_db
Kind = reports.Kind
MINUTE = timedelta(minutes=1)


def camper(number: str = "101", meters: int = 1, **values: Any) -> tuple[Stay, list[Meter]]:
    """A guest with so many outlets."""
    stay = make.stay(make.pitch(number), **values)
    make.guest(stay.booking)
    found = [make.switchable(f"{number},{each}", relay=True) for each in range(1, meters + 1)]
    for meter in found:
        make.line(stay, meter, pitch=stay.pitch)
    return stay, found


def report(stay: Stay, kind: str = Kind.NO_POWER, text: str = "", meter: Meter | None = None, **values: Any) -> Any:
    return reports.report(stay, kind, text, meter.pk if meter else None, values.pop("now", timezone.now()), **values)


def logged(stay: Stay) -> list[LogEntry]:
    return list(LogEntry.objects.get_for_object(stay))


# --- what is kept ----------------------------------------------------------------------------------------------------


def test_what_was_known_of_the_outlet_is_kept_as_it_was() -> None:
    stay, (meter,) = camper()
    now = timezone.now()
    told = {"relay": False, "relay_at": now, "power_w": 0, "power_at": now, "counter_kwh": "12.345", "counter_at": now}
    type(meter.state).objects.update(heard_at=now, **told)
    want = make.want(meter, True, Source.POLICY, reason="Booking 7", hold=Want.Hold.UNASKED_OFF)
    make.command(want, status=Command.Status.FAILED, failure=Command.Failure.NO_ANSWER, created_at=now)
    made = report(stay, now=now, language="de")
    type(meter.state).objects.update(relay=True)
    made.refresh_from_db()
    at = now.isoformat()
    assert (made.meter, made.kind, made.language, made.made_at) == (meter, "no_power", "de", now)
    assert made.state == [
        {
            "outlet": "101,1",
            "serial": meter.device.ieee_address,
            "relay": False,
            "relay_at": at,
            "power_w": 0,
            "power_at": at,
            "counter_kwh": "12.345",
            "counter_at": at,
            "heard_at": at,
            "online": "online",
            "reason": "ok",
            "wanted": True,
            "source": "policy",
            "why": "Booking 7",
            "hold": "unasked_off",
            "command": True,
            "command_at": at,
            "command_status": "failed",
            "command_failure": "no_answer",
        }
    ]


def test_of_a_meter_that_never_told_anything_nothing_is_claimed() -> None:
    stay, (meter,) = camper()
    type(meter.state).objects.all().delete()
    (known,) = report(stay).state
    assert (known["relay"], known["power_w"], known["heard_at"], known["online"]) == (None, None, None, "unknown")
    assert (known["wanted"], known["command"]) == (None, None)


def test_of_several_outlets_all_are_kept_and_none_is_guessed() -> None:
    stay, (first, second) = camper(meters=2)
    made = report(stay)
    assert made.meter is None
    assert [known["outlet"] for known in made.state] == ["101,1", "101,2"]
    assert report(stay, meter=second).meter == second
    assert report(stay, meter=first).meter == first


def test_who_has_no_outlet_may_report_it() -> None:
    stay, _meters = camper(meters=0)
    made = report(stay)
    assert (made.meter, made.state) == (None, [])


def test_it_costs_as_much_with_many_outlets() -> None:
    report(camper("0")[0])  # what is asked once a process
    counts = []
    for number, meters in (("1", 1), ("2", 6)):
        stay, _meters = camper(number, meters)
        with CaptureQueriesContext(connection) as asked:
            report(stay)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_emoji_angle_brackets_and_line_breaks_are_text_and_what_cannot_be_seen_is_dropped() -> None:
    stay, _meters = camper()
    assert (
        report(stay, text=" <b>Kein Strom</b> 👨‍👩‍👧\r\nseit 10\x00\x07 ").text == "<b>Kein Strom</b> 👨‍👩‍👧\nseit 10"
    )


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "error"),
    [
        ("fire", "", reports.UnknownKind),
        ("", "", reports.UnknownKind),
        (Kind.OTHER, " \x00\n ", reports.NeedsText),
        (Kind.KWH, "x" * 1001, reports.TooLong),
        (Kind.OTHER, "x" * 10_000, reports.TooLong),
    ],
)
def test_what_makes_no_sense_is_refused(kind: str, text: str, error: type[Exception]) -> None:
    stay, _meters = camper()
    with pytest.raises(error):
        report(stay, kind, text)
    assert not ProblemReport.objects.exists()


def test_a_thousand_letters_fit_however_the_browser_breaks_lines() -> None:
    stay, _meters = camper()
    assert len(report(stay, Kind.OTHER, "å\r\n" * 499 + "åå").text) == 1000


def test_another_guests_outlet_and_one_that_was_his_are_refused() -> None:
    stay, (mine,) = camper()
    _other, (others,) = camper("102")
    with pytest.raises(reports.NotItsOutlet):
        report(stay, meter=others)
    stay.lines.all().delete()
    with pytest.raises(reports.NotItsOutlet):
        report(stay, meter=mine)
    assert not ProblemReport.objects.exists()


def test_of_who_left_no_meter_is_looked_at_and_a_day_later_nothing_is_taken() -> None:
    stay, _meters = camper(status=Stay.Status.LEFT, ended_at=timezone.now() - timedelta(hours=2))
    stay.lines.all().delete()
    assert report(stay, Kind.KWH).state == []
    Stay.objects.update(ended_at=timezone.now() - timedelta(hours=30))
    with pytest.raises(reports.NotOpen):
        report(stay, Kind.KWH, "again")


# --- twice -----------------------------------------------------------------------------------------------------------


def test_pressed_twice_it_is_one_report_and_one_entry_in_the_audit_log() -> None:
    stay, _meters = camper()
    now = timezone.now()
    first = report(stay, text="Dark", now=now)
    assert report(stay, text="Dark", now=now + 9 * MINUTE) == first
    assert ProblemReport.objects.count() == len(logged(stay)) == 1


def test_something_else_later_or_of_another_outlet_is_another_report() -> None:
    stay, (first, second) = camper(meters=2)
    now = timezone.now()
    report(stay, meter=first, now=now)
    report(stay, meter=second, now=now)
    report(stay, text="Still", meter=first, now=now)
    report(stay, Kind.TRIPS, meter=first, now=now)
    report(stay, meter=first, now=now + 11 * MINUTE)
    assert ProblemReport.objects.count() == 5


def test_what_was_solved_may_be_reported_again_at_once() -> None:
    stay, _meters = camper()
    first = report(stay)
    reports.solve(first, None, "", timezone.now())
    assert report(stay) != first


@pytest.mark.django_db(transaction=True)
def test_of_two_presses_at_the_same_time_one_counts() -> None:
    stay, _meters = camper()

    def press(_number: int) -> int:
        try:
            return int(report(stay).pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(press, range(4)))) == 1
    assert ProblemReport.objects.count() == 1


# --- solved ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def anna() -> User:
    return make.staff("anna")


def test_it_is_solved_once_by_whoever_is_faster(anna: User) -> None:
    stay, _meters = camper()
    made = report(stay)
    now = timezone.now()
    reports.solve(made, anna, " fuse  changed ", now)
    with pytest.raises(reports.AlreadySolved):
        reports.solve(made, make.staff("bo"), "me too", now)
    made.refresh_from_db()
    assert (made.solved_at, made.solved_by, made.note) == (now, anna, "fuse changed")
    assert not reports.open_reports().exists()


def test_who_waits_longest_comes_first() -> None:
    now = timezone.now()
    (old, _), (new, _) = camper("101"), camper("102")
    later, sooner = report(new, now=now), report(old, now=now - MINUTE)
    assert list(reports.open_reports()) == [sooner, later]
    reports.solve(sooner, None, "", now)
    assert list(reports.open_reports()) == [later]


def test_an_open_report_has_no_solver(anna: User) -> None:
    made = report(camper()[0])
    with pytest.raises(IntegrityError), transaction.atomic():
        ProblemReport.objects.filter(pk=made.pk).update(solved_by=anna)


def test_the_audit_log_tells_who_and_what_but_no_words(anna: User) -> None:
    stay, _meters = camper()
    made = report(stay, text="My sick mother")
    reports.solve(made, anna, "She is well", timezone.now())
    solved, told = logged(stay)
    assert (told.actor, told.changes) == (None, {"problem": ["None", f"{made.pk} no_power"]})
    assert (solved.actor, solved.changes) == (anna, {"problem solved": ["None", f"{made.pk} no_power"]})


# --- forgotten -------------------------------------------------------------------------------------------------------


def test_with_the_guest_his_words_and_the_note_are_forgotten_and_what_the_meter_told_stays(anna: User) -> None:
    stay, _meters = camper()
    other, _meters = camper("102")
    made, others = report(stay, text="I am Anna Müller"), report(other, text="I am Bo")
    reports.solve(made, anna, "Told Anna", timezone.now())
    privacy.forget(stay.booking, anna, timezone.now())
    made.refresh_from_db()
    others.refresh_from_db()
    assert (made.text, made.note, made.solved_by) == ("", "", anna)
    assert made.state[0]["outlet"] == "101,1"
    assert others.text == "I am Bo"


def test_what_somebody_writes_after_he_was_forgotten_is_emptied_the_next_night() -> None:
    stay, _meters = camper(status=Stay.Status.LEFT, ended_at=timezone.now())
    stay.booking.is_checked_out = True
    stay.booking.save()
    privacy.erase(stay.booking, None, timezone.now())
    made = report(stay, text="Anna once more")
    privacy.erase_due(timezone.now())
    made.refresh_from_db()
    assert made.text == ""
