"""Plain makers of rows for the tests: everything is online and heard just now, unless told otherwise."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from django.contrib.auth.models import Group, User
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import DateTimeField, F
from django.test import Client
from django.utils import timezone
from django.utils.text import slugify

from bookings.models import Booking, Correction, Guest, Mode, Stay, StayMeter, Tariff
from meters import partitions
from meters.commands.rules import PRIORITIES
from meters.models import (
    Area,
    AreaState,
    AutomaticStop,
    BridgeRequest,
    Command,
    CounterEpoch,
    Device,
    HourlyUsage,
    Installation,
    Meter,
    MeterState,
    Order,
    Pitch,
    Reading,
    Snapshot,
    Source,
    Want,
    Watch,
    WorkerState,
)

_numbers = count(1)


def area(name: str = "", *, bridge: str = "online", reported: dict[str, Any] | None = None, **values: Any) -> Area:
    """An area with its reported state; `reported` goes into the state, `values` into staff's row."""
    name = name or f"Area {next(_numbers)}"
    values = {"slug": slugify(name), "base_topic": f"z2m_{slugify(name)}"} | values
    made = Area.objects.create(name=name, **values)
    AreaState.objects.create(area=made, bridge=bridge, **(reported or {}))
    return made


def pitch(number: str = "", **values: Any) -> Pitch:
    return Pitch.objects.create(number=number or str(100 + next(_numbers)), **values)


def meter(name: str = "", *, area: Area | None = None, ieee: str = "", **device: Any) -> Meter:
    """A single-phase meter; `device` goes into its device."""
    number = next(_numbers)
    device = {"kind": Device.Kind.SINGLE_PHASE, "has_relay": True, "available": True} | device
    made = Device.objects.create(
        ieee_address=ieee or f"0x{0xA4C138 << 40 | number:016x}",
        friendly_name=name or f"meter {number}",
        area=area,
        first_seen_at=timezone.now(),
        **device,
    )
    return Meter.objects.create(device=made)


def state(meter: Meter, **values: Any) -> MeterState:
    """The meter's latest values; heard just now."""
    return MeterState.objects.create(meter=meter, **({"heard_at": timezone.now()} | values))


def worker(**values: Any) -> WorkerState:
    """A worker that lives, is connected, and tells the browsers; it takes all areas unless `areas` (ids) are given."""
    now = timezone.now()
    values = {
        "name": "mqtt",
        "tells": "areas" not in values,
        "boot": "b",
        "started_at": now,
        "heartbeat_at": now,
        "connected_at": now,
    } | values
    alive = values["heartbeat_at"]
    for area in values.get("areas") or [None]:
        Watch.objects.create(since=alive - timedelta(days=60), until=alive, area_id=area)
    return WorkerState.objects.create(**values)


def installed(meter: Meter, pitch: Pitch, since: datetime | None = None, until: datetime | None = None) -> Installation:
    since = since or timezone.now() - timedelta(days=1)
    return Installation.objects.create(meter=meter, pitch=pitch, period=DateTimeTZRange(since, until))


def hour(meter: Meter, hour: datetime, energy_wh: int, estimated_wh: int = 0) -> HourlyUsage:
    return HourlyUsage.objects.create(meter=meter, hour=hour, energy_wh=energy_wh, estimated_wh=estimated_wh)


def counted(meter: Meter, kwh: str, at: datetime) -> CounterEpoch:
    """So much energy has been billed since the meter's first value, as it told at this moment."""
    told = {"first_at": at - timedelta(days=60), "first_wh": 0, "last_at": at, "last_wh": int(Decimal(kwh) * 1000)}
    return CounterEpoch.objects.update_or_create(meter=meter, number=1, defaults=told)[0]


def reading(meter: Meter, measured_at: datetime, **values: Any) -> Reading:
    day: date = measured_at.date()
    partitions.ensure([day])
    return Reading.objects.create(meter=meter, measured_at=measured_at, **values)


def staff(name: str = "reception", **values: Any) -> User:
    return User.objects.create_user(name, is_staff=True, **values)


def client_of(group: str) -> Client:
    """A browser in English, in which one of this group has logged in."""
    client, user = Client(headers={"accept-language": "en"}), staff(group)
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    return client


def superuser(name: str = "chief") -> User:
    return User.objects.create_superuser(name)


# --- switching -------------------------------------------------------------------------------------------------------


def acting(name: str = "", **values: Any) -> Area:
    """An area that switches by itself."""
    return area(name, **{"control": Area.Control.ACT} | values)


def switchable(
    name: str = "", *, area: Area | None = None, relay: bool | None = False, current_a: float | None = None, **told: Any
) -> Meter:
    """A meter that is online in an area that acts, its relay told just now; `told` goes into its device."""
    if not WorkerState.objects.exists():
        worker()
    made = meter(name, area=area or acting(), **told)
    now = timezone.now()
    state(made, relay=relay, relay_at=now, current_a=current_a, current_at=now if current_a is not None else None)
    return made


def want(meter: Meter, state: bool = True, source: str = Source.STAFF, *, ago_s: float = 0, **values: Any) -> Want:
    """A row, as it was made `ago_s` seconds ago; nothing follows from it."""
    made_at = timezone.now() - timedelta(seconds=ago_s)
    values = {"priority": PRIORITIES[Source(source)], "created_at": made_at, "since": made_at} | values
    return Want.objects.create(meter=meter, state=state, source=source, **values)


def command(want: Want, *, ago_s: float = 0, sent_ago_s: float | None = None, **values: Any) -> Command:
    """A row for this want, made `ago_s` seconds ago; with `sent_ago_s` under way."""
    now = timezone.now()
    made_at = now - timedelta(seconds=ago_s)
    if sent_ago_s is not None:
        at = now - timedelta(seconds=sent_ago_s)
        values = {"status": Command.Status.SENT, "claimed_at": at, "sent_at": at, "attempts": 1} | values
        values = {"area_id": want.meter.device.area_id} | values
    values = {"created_at": made_at, "expires_at": made_at + timedelta(minutes=15)} | values
    return Command.objects.create(meter=want.meter, want=want, state=want.state, **values)


def later(seconds: float) -> None:
    """As if so much time had passed: whatever the tables of switching and of meters remember moves into the past."""
    for model in (Want, Command, Order, AutomaticStop, BridgeRequest, Device, MeterState):
        times = [field.name for field in model._meta.fields if isinstance(field, DateTimeField)]
        model._base_manager.update(**{name: F(name) - timedelta(seconds=seconds) for name in times})


# --- bookings --------------------------------------------------------------------------------------------------------


def booking(**values: Any) -> Booking:
    """Checked in, from yesterday to tomorrow."""
    today = timezone.localdate()
    number = next(_numbers)
    values = {"arrival": today - timedelta(days=1), "departure": today + timedelta(days=1)} | values
    values = {"sirvoy_id": 10_000 + number, "generated_at": timezone.now(), "event_number": number} | values
    return Booking.objects.create(**{"is_confirmed": True, "is_checked_in": True} | values)


def stay(pitch: Pitch | None = None, *, booking: Booking | None = None, **values: Any) -> Stay:
    """A party that is here, with the dates of its booking; nothing follows from it."""
    of_booking = booking or globals()["booking"]()
    dates = {"arrival": of_booking.arrival, "departure": of_booking.departure}
    values = {"status": Stay.Status.IN_HOUSE, "position": of_booking.stays.count()} | dates | values
    return Stay.objects.create(booking=of_booking, pitch=pitch, booked_pitch=pitch, **values)


def tariff(**values: Any) -> Tariff:
    """4.50 a kWh by the meter for all kinds of pitches, for whoever arrives."""
    values = {"name": "By the kWh", "mode": Mode.METERED, "kinds": list(Pitch.Kind.values)} | values
    values = {"valid_from": date(2020, 1, 1), "price": Decimal("4.50")} | values
    return Tariff.objects.create(**values)


def guest(booking: Booking, **values: Any) -> Guest:
    values = {"first_name": "Anna", "last_name": "Müller", "email": "anna@example.com", "language": "de"} | values
    return Guest.objects.create(booking=booking, **values)


def used(stay: Stay, kwh: str) -> Correction:
    """As if the stay had used so many kWh more: by a correction, without meters."""
    by = User.objects.filter(username="ledger").first() or staff("ledger")
    return Correction.objects.create(stay=stay, energy_kwh=Decimal(kwh), reason="made", by=by)


def snapshot(meter: Meter, at: datetime, kwh: str = "0") -> Snapshot:
    """What the meter stood at, as it told itself."""
    told = {"energy_kwh": Decimal(kwh), "known_at": at, "quality": Snapshot.Quality.READ, "settled_at": at}
    return Snapshot.objects.get_or_create(meter=meter, at=at, defaults=told)[0]


def line(stay: Stay, meter: Meter, *, pitch: Pitch | None = None, since: datetime | None = None) -> StayMeter:
    """An open line of the ledger, by default since yesterday; with `pitch` a fixed meter's. Nothing follows."""
    since = since or timezone.now() - timedelta(days=1)
    values = {"pitch": pitch, "period": DateTimeTZRange(since, None), "begun_by": StayMeter.Reason.CHECK_IN}
    return StayMeter.objects.create(stay=stay, meter=meter, start=snapshot(meter, since), **values)


def served(stay: Stay, booked: Pitch, since: datetime, until: datetime, kwh: str) -> StayMeter:
    """A line of the ledger that has ended, from while this pitch was booked."""
    meter = globals()["meter"]()
    values = {"period": DateTimeTZRange(since, until), "begun_by": StayMeter.Reason.CHECK_IN, "ended_by": "move"}
    start, end = snapshot(meter, since), snapshot(meter, until, kwh)
    return StayMeter.objects.create(stay=stay, meter=meter, booked_pitch=booked, start=start, end=end, **values)
