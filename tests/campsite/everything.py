"""A site with one of everything that staff act on, so that each act of roles.py does something. Rows by their name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from auditlog.models import LogEntry
from axes.models import AccessFailureLog, AccessLog
from django.core import signing
from django.utils import timezone
from django_q.models import Failure
from rest_framework.authtoken.models import TokenProxy

from bookings import accounts, inbox, links, reports, tokens
from bookings.admin.csv_import import SALT
from bookings.models import Booking, Guest, PackageNotice, PackagePattern, PackageSale, PowerRule, Room, Stay
from meters import commands
from meters.models import (
    AutomaticStop,
    BridgeRequest,
    FoundInstance,
    MeterState,
    Order,
    QuarantinedReading,
    RejectedMessage,
)
from monitoring.backup import sealing
from monitoring.models import Alert, AlertRoute, BackupRun, Forgetting, Incident, MaintenanceWindow, RestoreDrill
from tests import make
from tests.monitoring.test_audit import list_in, recommended, reported

DAY = timedelta(days=1)
EXPORT = "Booking ID,Room No.,Check-in,Check-out,Number of Guests,First Name,Last Name,Email,Guest Name,Status\n"


def site(settings: Any) -> dict[str, Any]:
    """What a word of roles.py stands for: a row, an address's part, or what is sent."""
    settings.BACKUP_TARGETS, settings.BACKUP_RECIPIENTS = {"nas": "file:///nowhere"}, [sealing.new_key()[1]]
    settings.ALERT_URLS = {}
    told = _electricity()
    told |= _bookings(told)
    told |= _watching(told)
    told["user"] = make.staff("Anna")
    local = timezone.localtime()
    told |= {"today": f"{local:%Y-%m-%d}", "clock": f"{local:%H:%M:%S}"}
    told["tokenproxy"] = TokenProxy.objects.create(user=make.staff("a program"))
    told["failure"] = Failure.objects.create(
        id="f", name="failed", func="x", started=timezone.now(), stopped=timezone.now(), success=False
    )
    told["accesslog"] = AccessLog.objects.create(username="anna", ip_address="192.0.2.7")
    told["accessfailurelog"] = AccessFailureLog.objects.create(username="anna", ip_address="192.0.2.7")
    told["logentry"] = LogEntry.objects.log_create(told["area"], action=1, changes={"name": ["A", "B"]})
    return told


FIRST: dict[str, Callable[[], object]] = {"stopped": lambda: commands.stop.press(None, "storm")}
"""What must have been done before an act can be."""


def _electricity() -> dict[str, Any]:
    now = timezone.now()
    pauses = {"active": {"pause_on_backoff_gt": 0}}
    area, quiet = reported("North", recommended(availability=pauses)), make.area("Quiet")
    type(area).objects.filter(pk=area.pk).update(control="act")
    area.refresh_from_db()
    pitch, free = make.pitch("101"), make.pitch("102")
    meter, live, wanted, spare, queued, served = (
        make.switchable(name, area=area, relay=name in ("103,1", "102,1"))
        for name in ("101,1", "103,1", "104,1", "102,1", "105,1", "202")
    )
    for each in (meter, live, wanted, spare, queued, served):
        list_in(area, each.device)
    make.want(wanted)
    order = Order.objects.create(state=True, created_at=now)
    command = make.command(make.want(queued), order=order)
    told = {"area": area, "quiet": quiet, "slug": area.slug, "of_stay": pitch, "free": free, "pitch": make.pitch("400")}
    told |= {"meter": meter, "live": live, "wanted": wanted, "spare": spare, "device": meter.device}
    told |= {"ieee": meter.device.ieee_address, "spare_ieee": spare.device.ieee_address}
    told |= {"wanted_ieee": wanted.device.ieee_address, "order": order, "command": command, "want": command.want}
    told["installation"] = make.installed(live, make.pitch("103"))
    make.installed(meter, pitch, now - timedelta(hours=3))
    told["bridgerequest"] = BridgeRequest.objects.create(
        area=quiet, request="health_check", transaction="t", created_at=now, finished_at=now, status="done"
    )
    told["foundinstance"] = FoundInstance.objects.create(base_topic="z2m_new", first_seen_at=now, seen_at=now)
    told["automaticstop"] = AutomaticStop.objects.create(since=now - DAY, ended_at=now - DAY)
    told["counterepoch"] = make.counted(meter, "10", now)
    told["quarantinedreading"] = QuarantinedReading.objects.create(
        meter=meter, measured_at=now, counter_wh=1, reason="fall"
    )
    told["rejectedmessage"] = RejectedMessage.objects.create(topic="x", code="y", first_at=now, last_at=now)
    told |= {"preset": "billing", "rule": "availability.active.pause_on_backoff_gt"}
    MeterState.objects.filter(meter=spare).update(relay_at=now)
    return told


def _bookings(told: dict[str, Any]) -> dict[str, Any]:
    now, today = timezone.now(), timezone.localdate()
    tariff, chief = make.tariff(), make.staff("seller")
    stay = _stay(told["of_stay"], "101")
    make.line(stay, told["meter"], pitch=told["of_stay"], since=now - timedelta(hours=2))
    make.used(stay, "10")
    left = _stay(make.pitch("104"), "104", status=Stay.Status.LEFT, left_by_hand_at=now - timedelta(hours=1))
    charged = _stay(make.pitch("105"), "105")
    make.used(charged, "1")
    (charge,) = accounts.charge(charged.booking, chief)
    gone = make.booking(arrival=today - 9 * DAY, departure=today - 8 * DAY, is_checked_out=True)
    Guest.objects.create(booking=gone, last_name="Berg")
    token, _secret = tokens.make("Sirvoy", chief)
    links.make(stay, chief)
    line = f"47101,101,{today + 9 * DAY},{today + 12 * DAY},2,Anna,Müller,anna@example.com,,\n"
    file = [EXPORT + line, now.isoformat()]
    event = inbox.store(None, b'{"bookingId": 1}', now)
    return {
        "tariff": tariff,
        "packagepattern": PackagePattern.objects.create(pattern="Power #"),
        "packagesale": PackageSale.objects.create(
            booking=charged.booking, energy_kwh=Decimal(5), price=Decimal(9), vat_percent=Decimal(25), by=chief
        ),
        "stay": stay,
        "booking": stay.booking,
        "number": stay.booking.sirvoy_id,
        "left": left,
        "charged": charged.booking,
        "noted": charge,
        "due": "90.00",
        "gone": gone,
        "room": Room.objects.create(sirvoy_id=5, name="Plads 12", named_at=now),
        "notice": PackageNotice.objects.create(booking=stay.booking, level="low", found_at=now),
        "reported": reports.report(stay, "no_power", "", None, now),
        "token": token,
        "event": event,
        "file": signing.dumps(file, salt=SALT, compress=True),
        "powerrule": PowerRule.objects.first(),
    }


def _stay(pitch: Any, number: str, **values: Any) -> Stay:
    """Of a booking whose room is that pitch, as Sirvoy told it."""
    booking = make.booking()
    room = Room.objects.create(sirvoy_id=booking.pk * 1000, name=number, pitch=pitch, named_at=timezone.now())
    dates = {"arrival": booking.arrival.isoformat(), "departure": booking.departure.isoformat()}
    booking.rooms = [{"room_id": room.sirvoy_id, "name": number, "adults": 2} | dates]
    Booking.objects.filter(pk=booking.pk).update(rooms=booking.rooms)
    make.guest(booking)
    return make.stay(pitch, booking=booking, room=room, **{"began_at": timezone.now() - timedelta(hours=2)} | values)


def _watching(told: dict[str, Any]) -> dict[str, Any]:
    now = timezone.now()

    def incident(key: str, **values: Any) -> Incident:
        told = {"code": "worker_silent", "severity": "warning", "since": now - DAY, "found_at": now, "opened_at": now}
        return Incident.objects.create(key=key, **told | values)

    found, route = incident("a"), AlertRoute.objects.create(name="phone")
    return {
        "incident": found,
        "seen": incident("b", seen_by=make.staff("Bo"), seen_at=now),
        "snoozed": incident("c", snoozed_until=now + DAY),
        "route": route,
        "alertroute": AlertRoute.objects.create(name="night"),
        "alert": Alert.objects.create(route=route, incident=found, kind="opened", made_at=now, due_at=now),
        "window": MaintenanceWindow.objects.create(from_at=now - DAY, to_at=now + DAY, why="cable"),
        "maintenancewindow": MaintenanceWindow.objects.create(from_at=now + DAY, to_at=now + 2 * DAY, why="cable"),
        "backuprun": BackupRun.objects.create(started_at=now, heartbeat=now, status="done"),
        "restoredrill": RestoreDrill.objects.create(started_at=now, target="nas"),
        "forgetting": Forgetting.objects.create(slug="hours", at=now),
    }
