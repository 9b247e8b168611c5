"""What devices there are, where, under which name, available or not. The only module that writes Device and Listing,
and the only one that makes a Meter.

A device is its IEEE address. Areas list devices; the area from which a device was last heard live owns it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from django.db import connection
from django.db.models import Exists, OuterRef, Q

from meters import notify
from meters.models import Area, Device, Listing, Meter
from meters.zigbee2mqtt import Event, ListedDevice

REPORTED = (
    *("vendor", "model", "model_id", "manufacturer", "software_build"),
    *("interview_state", "disabled", "supported"),
)
DESCRIBED = (*REPORTED, "reportings", "kind", "phases", "has_relay", "relay_readable")
"""What an inventory says of a device: the rest of its row others may have written meanwhile."""
INVENTORY_LOCK = 7_301_004


def apply_inventory(
    area_id: int, listed: Iterable[ListedDevice], at: datetime, unreadable: Collection[str] = ()
) -> None:
    """Make the area's inventory be this list, and a meter for each device that measures.

    `unreadable`: addresses that are listed too, in words that could not be read: their lines stay as they are.
    """
    with connection.cursor() as cursor:  # two at once would not see each other's lines
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [INVENTORY_LOCK])
    entries = {entry.ieee_address: entry for entry in listed}
    known = {device.ieee_address: device for device in Device.objects.filter(ieee_address__in=entries)}
    for ieee_address, entry in entries.items():
        device = known.get(ieee_address) or Device(
            ieee_address=ieee_address, friendly_name=entry.friendly_name, first_seen_at=at
        )
        if _describe(device, entry):
            device.save(update_fields=None if device.pk is None else DESCRIBED)
        known[ieee_address] = device
    names = {known[ieee].pk: entry.friendly_name for ieee, entry in entries.items()}
    kept = Listing.objects.filter(area=area_id, device__ieee_address__in=unreadable)
    kept = kept.exclude(friendly_name__in=names.values())
    _list(area_id, dict(kept.values_list("device_id", "friendly_name")) | names, at)
    _settle_owners(at)
    _make_meters()


def expect(ieee_address: str, area: Area | None, friendly_name: str, model: str, at: datetime) -> Meter:
    """A meter of which somebody told, and that no area lists yet: until one does, it counts as removed. What an
    inventory says of the device rules over what is told here.
    """
    device = Device.objects.create(
        ieee_address=ieee_address,
        area=area,
        friendly_name=friendly_name,
        kind=Device.Kind.SINGLE_PHASE,
        model=model[:100],
        first_seen_at=at,
        removed_at=at,
    )
    return Meter.objects.create(device=device)


def claim(device_id: int, area_id: int) -> None:
    """This area has just heard the device itself: it owns it, under the name by which it lists it. Other workers keep
    in memory whose it was.
    """
    name = Listing.objects.filter(area=area_id, device=device_id).values("friendly_name")[:1]
    Device.objects.filter(pk=device_id).update(
        area=area_id, friendly_name=name, available=True, removed_at=None, left_at=None
    )
    notify.touch()


def set_available(area_id: int, ieee_address: str, available: bool, at: datetime) -> int | None:
    """Note what the owning area says; returns the device's id where that was news."""
    news = Device.objects.filter(ieee_address=ieee_address, area=area_id).exclude(available=available)
    if not news.update(available=available, available_since=at):
        return None
    return Device.objects.values_list("pk", flat=True).get(ieee_address=ieee_address)


def note_available(heard: Mapping[int, datetime]) -> None:
    """Who was heard (devices by id, when) after it was called unavailable is available: a broker that crashed hands out
    words of before, and Zigbee2MQTT, which has told otherwise since, does not repeat it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE meters_device d SET available = true, available_since = h.at
            FROM unnest(%s::bigint[], %s::timestamptz[]) h (id, at)
            WHERE d.id = h.id AND d.available IS FALSE AND d.available_since < h.at
            """,
            [list(heard), list(heard.values())],
        )


def apply_event(area_id: int, event: Event, at: datetime) -> bool:
    """Note that a device got power (announce), left or joined; returns whether it thereby is gone, or back."""
    device = Device.objects.filter(ieee_address=event.ieee_address)
    match event.type:
        case "device_announce":
            device.update(announced_at=at)
        case "device_leave":  # what another area has lost may long be at home here
            return bool(device.filter(area=area_id, left_at=None).update(left_at=at))
        case "device_joined":
            device.update(joined_at=at)
            return bool(device.filter(left_at__isnull=False).update(left_at=None))
    return False


def note_outage_memory(told: Mapping[int, str]) -> None:
    """What relays (of devices by id) do when power returns: on, off or restore."""
    for device_id, memory in told.items():
        Device.objects.filter(pk=device_id).update(outage_memory=memory)


def note_heard(heard: Mapping[int, datetime]) -> None:
    """When devices (by id) that are no meters were heard; a meter's times stand with its measurements."""
    for device_id, at in heard.items():
        older = Q(heard_at=None) | Q(heard_at__lt=at)
        Device.objects.filter(older, pk=device_id).update(heard_at=at)


def note_updating(updating: Mapping[int, datetime]) -> None:
    """When the firmware of devices (by id) was last said to be replaced."""
    for device_id, at in updating.items():
        Device.objects.filter(pk=device_id).update(updating_at=at)


def note_returned(device_ids: Iterable[int]) -> list[int]:
    """A device that had left and is heard again has come back; returns the ids of those."""
    gone = Device.objects.filter(pk__in=list(device_ids), left_at__isnull=False)
    returned = list(gone.values_list("pk", flat=True))
    Device.objects.filter(pk__in=returned).update(left_at=None)
    return returned


def _describe(device: Device, entry: ListedDevice) -> bool:
    """Bring the row up to what was reported; whether anything is new.

    What a device measures is never unlearned: during an interview `exposes` is missing.
    """
    kind = _kind(entry)
    told = {name: getattr(entry, name) for name in REPORTED} | {"reportings": list(entry.reportings)}
    if kind != Device.Kind.OTHER or not device.is_meter:
        told |= {"kind": kind, "phases": list(entry.phases)}
        told |= {"has_relay": entry.has_relay, "relay_readable": entry.relay_readable}
    changed = device.pk is None or any(getattr(device, name) != value for name, value in told.items())
    for name, value in told.items():
        setattr(device, name, value)
    return changed


def _kind(entry: ListedDevice) -> Device.Kind:
    if entry.phases:
        return Device.Kind.THREE_PHASE
    if entry.measures:
        return Device.Kind.SINGLE_PHASE
    if entry.type == "Router" and not entry.has_relay and entry.model:
        return Device.Kind.REPEATER
    return Device.Kind.OTHER


def _list(area_id: int, names: dict[int, str], at: datetime) -> None:
    """Replace the area's listings. The old lines go first: two devices may have swapped their names."""
    old = {listing.device_id: listing for listing in Listing.objects.filter(area=area_id)}
    stale = [listing.pk for device, listing in old.items() if names.get(device) != listing.friendly_name]
    Listing.objects.filter(pk__in=stale).delete()
    Listing.objects.bulk_create(
        Listing(area_id=area_id, device_id=device, friendly_name=name, named_at=at)
        for device, name in names.items()
        if device not in old or old[device].friendly_name != name
    )


def _settle_owners(at: datetime) -> None:
    """Each listed device has an owner that lists it, with the owner's name; the others are removed, and kept."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE meters_device d
            SET area_id = owner.area_id, friendly_name = owner.friendly_name, removed_at = NULL,
                available = CASE WHEN d.area_id = owner.area_id AND d.removed_at IS NULL THEN d.available END,
                left_at = CASE WHEN d.removed_at IS NULL THEN d.left_at END
            FROM (
                SELECT DISTINCT ON (l.device_id) l.device_id, l.area_id, l.friendly_name
                FROM meters_listing l JOIN meters_device d ON d.id = l.device_id
                ORDER BY l.device_id, (l.area_id IS NOT DISTINCT FROM d.area_id) DESC, l.named_at DESC, l.id
            ) owner
            WHERE owner.device_id = d.id
              AND (d.area_id, d.friendly_name, d.removed_at)
                  IS DISTINCT FROM (owner.area_id, owner.friendly_name, NULL::timestamptz)
            """
        )
    listed = Listing.objects.filter(device=OuterRef("pk"))
    Device.objects.filter(~Exists(listed), removed_at=None).update(removed_at=at, available=None)


def _make_meters() -> None:
    measuring = Device.objects.filter(kind__in=[Device.Kind.SINGLE_PHASE, Device.Kind.THREE_PHASE], meter=None)
    Meter.objects.bulk_create([Meter(device=device) for device in measuring], ignore_conflicts=True)
