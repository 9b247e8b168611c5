"""What a try-out needs of the product so that there is something to see; and what is there already."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import Max

from bookings.models import Booking, Mode, PackagePattern, PowerRule, Tariff
from bookings.simulation.told import Place, Told
from meters import notify
from meters.models import Area, Installation, MeterState, Pitch

NAME = "Simulated Sirvoy"
"""Of its webhook address, by which its bookings are known."""
FIRST_NUMBER = 800_000
FIRST_ROOM = 7000
TENT = "T1"
"""A pitch without a meter: its guest says himself which outlet he uses."""
GRACE_MIN = 1
"""A guest's power goes off so soon after check-out, so that who tries it out sees it."""
TENTS_WEIGHT = 0.01
"""Little happens there: who is there in the morning stays for the day."""
Kind = Pitch.Kind
SOLD = [Kind.TOURING, Kind.SEASONAL, Kind.CABIN]


def prepare(today: date) -> bool:
    """Tariffs, the text by which packages are known, a pitch without a meter, and one area that acts. Done once:
    whoever has a tariff has said how things are to be.
    """
    if Tariff.objects.exists():
        return False
    since = today - timedelta(days=365)
    for tariff in _tariffs():
        tariff.valid_from = since
        tariff.save()
    PackagePattern.objects.get_or_create(pattern="Elpakke # kWh")
    Pitch.objects.get_or_create(number=TENT, defaults={"kind": Kind.TOURING})
    PowerRule.objects.filter(kind=Kind.TOURING).update(grace_min=GRACE_MIN)
    first = Area.objects.filter(in_service=True, devices__isnull=False).order_by("slug").first()
    if first:
        Area.objects.filter(pk=first.pk).update(control=Area.Control.ACT)
    notify.touch()
    return True


def places() -> list[Place]:
    """The pitches that have a meter, and the one that has none. Most happens where something can be seen of it: in
    areas that act, first of all where the power is off.
    """
    found: dict[str, Place] = {}
    hanging = Installation.objects.filter(period__upper_inf=True, pitch__kind__in=SOLD).order_by("pk")
    for each in hanging.select_related("pitch", "meter__device__area", "meter__state"):
        area = each.meter.device.area
        weight = 1.0 if area is None or area.control != Area.Control.ACT else 6.0
        if weight > 1 and MeterState.of(each.meter).relay is False:
            weight = 30.0
        pitch = each.pitch
        found.setdefault(pitch.number, Place(pitch.number, pitch.kind, FIRST_ROOM + pitch.pk, weight))
    for tent in Pitch.objects.filter(number=TENT).exclude(number__in=found):
        found[TENT] = Place(TENT, tent.kind, FIRST_ROOM + tent.pk, TENTS_WEIGHT)
    return list(found.values())


def is_wired() -> bool:
    """Whether meters hang on pitches, and have told how their relays stand."""
    hanging = Installation.objects.filter(period__upper_inf=True)
    silent = hanging.filter(meter__state__relay=None, meter__device__available=True)
    silent = silent.filter(meter__device__area__in_service=True)
    return hanging.exists() and not silent.exists()


def is_of_others() -> bool:
    """Whether there are bookings, and none of ours."""
    return Booking.objects.exists() and not Booking.objects.filter(event__token__name=NAME).exists()


def known() -> list[Told]:
    """Our bookings that are not over, as they were last told."""
    ours = Booking.objects.filter(event__token__name=NAME, is_checked_out=False, is_cancelled=False)
    bodies = ours.filter(event__erased_at=None).order_by("sirvoy_id").values_list("event__body", flat=True)
    return [json.loads(bytes(body)) for body in bodies]


def next_number() -> int:
    last = Booking.objects.aggregate(last=Max("sirvoy_id"))["last"]
    return max(FIRST_NUMBER, (last or 0) + 1)


def _tariffs() -> list[Tariff]:
    metered = Tariff(name="Efter måler", mode=Mode.METERED, kinds=[Kind.TOURING, Kind.SEASONAL], price=Decimal("4.50"))
    cabin = Tariff(name="Hytte", mode=Mode.METERED, kinds=[Kind.CABIN], price=Decimal("4.50"))
    cabin.included_kwh_day = Decimal(10)
    season = Tariff(name="Sæsongæst", mode=Mode.PACKAGE, kinds=[Kind.TOURING, Kind.SEASONAL], price=Decimal("3.75"))
    season.season_only, season.included_kwh_stay = True, Decimal(500)
    return [metered, cabin, season]
