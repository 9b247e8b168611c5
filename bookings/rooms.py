"""Sirvoy's rooms, and which pitch each is. The only module that writes Room.

A room is known by Sirvoy's id, else by its name. Its pitch is what staff said; else the pitch that goes by the newest
of its names that is a pitch's; else none: then it is work for staff, never a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from datetime import datetime

from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Q

from bookings.models import Room
from bookings.sirvoy import RoomTold
from meters.models import Pitch

Key = tuple[int | None, str]
"""Sirvoy's id of a room, if it said one, and the room's name or ""."""
NOWHERE: Key = (None, "")
LOCK = 0x524F4F4D
TAUGHT = ["name", "other_names", "pitch", "named_at", "matched_at"]
"""What events tell of a room."""


# --- what Sirvoy tells -----------------------------------------------------------------------------------------------


def learn(told: Iterable[RoomTold], at: datetime) -> bool:
    """Note the rooms that an event of that time names; whether one of them thereby is another pitch than before.

    The order in which events are read makes no difference. The bookings of a room that changed are reconciled by
    `stays.advance`; that of the event by whoever calls.
    """
    keys = sorted({key(room.sirvoy_id, room.name) for room in told} - {NOWHERE}, key=str)
    if not keys:
        return False
    pitches = Pitches()
    changed, has_moved = [], False
    for room, (_, name) in zip(_rows(keys, at), keys, strict=True):
        before = copy(room)
        _teach(room, name, at, pitches)
        if any(getattr(room, field) != getattr(before, field) for field in TAUGHT):
            changed.append(room)
        has_moved |= room.pitch_id != before.pitch_id
    Room.objects.bulk_update(changed, TAUGHT)
    return has_moved


def find(keys: Sequence[Key]) -> list[Room | None]:
    """For each key the room that it means, with its pitch; None where there is none. By a name alone it is the room of
    that name, else the one that had it.
    """
    ids = {number for number, _ in keys if number is not None}
    names = {name for number, name in keys if number is None and name}
    meant = Q(sirvoy_id__in=ids) | Q(name__in=names) | Q(other_names__overlap=list(names))
    rows = list(Room.objects.select_related("pitch").filter(meant).order_by("-pk"))
    by_id = {room.sirvoy_id: room for room in rows}
    by_name = {name: room for room in sorted(rows, key=lambda room: room.named_at) for name in room.other_names}
    by_name |= {room.name: room for room in sorted(rows, key=lambda room: room.sirvoy_id is not None)}
    return [by_id.get(number) if number is not None else by_name.get(name) for number, name in keys]


def key(sirvoy_id: int | None, name: str | None) -> Key:
    """How a room is looked up; spaces around and doubled ones do not count."""
    return sirvoy_id, " ".join((name or "").split())


def plain(name: str) -> str:
    """A name as it is compared: case and spaces do not count."""
    return "".join(name.split()).casefold()


# --- what staff say --------------------------------------------------------------------------------------------------


def assign(room: Room, pitch: Pitch | None, by: User | None, now: datetime) -> None:
    """Staff say which pitch the room is, once and for all; None takes it back: then its name decides again.

    `stays.assign_room` also sets the bookings right that have it.
    """
    with transaction.atomic():
        room = Room.objects.select_for_update(of=("self",), no_key=True).select_related("pitch").get(pk=room.pk)
        before = room.pitch
        room.pitch = pitch or Pitches().get(room.name)
        room.is_set_by_staff, room.set_by = pitch is not None, by if pitch else None
        room.save(update_fields=["pitch", "is_set_by_staff", "set_by"])
        changes = {"pitch": [str(before), str(room.pitch)], "is_set_by_staff": ["", str(room.is_set_by_staff)]}
        LogEntry.objects.log_create(room, action=LogEntry.Action.UPDATE, changes=changes, actor=by)


def rematch() -> int:
    """Rooms without a pitch become the pitch that has got their name since; how many did."""
    lost = Room.objects.filter(pitch=None, is_set_by_staff=False).exclude(name="")
    pitches, found = Pitches(), 0
    for room in lost:
        if pitch := pitches.get(room.name):
            found += Room.objects.filter(pk=room.pk, pitch=None).update(pitch=pitch, matched_at=room.named_at)
    return found


# --- inside ----------------------------------------------------------------------------------------------------------


class Pitches:
    """The pitches by their numbers and other names; asked of the database when first needed."""

    def __init__(self) -> None:
        self._known: dict[str, set[Pitch]] | None = None

    def get(self, name: str) -> Pitch | None:
        """The one pitch that goes by this name."""
        if self._known is None:
            self._known = {}
            for pitch in Pitch.objects.all():
                for known in names(pitch):
                    self._known.setdefault(known, set()).add(pitch)
        found = self._known.get(plain(name), set())
        return next(iter(found)) if len(found) == 1 else None


def names(pitch: Pitch) -> set[str]:
    """All that a pitch goes by, plain."""
    return {plain(name) for name in (pitch.number, *pitch.aliases)}


def _teach(room: Room, name: str, at: datetime, pitches: Pitches) -> None:
    if not name:
        return
    known = {name, room.name, *room.other_names}
    if at >= room.named_at or not room.name:
        room.name, room.named_at = name, at
    room.other_names = sorted(known - {room.name, ""})
    if room.is_set_by_staff or (room.matched_at is not None and at < room.matched_at):
        return
    is_its_pitch = room.pitch is not None and plain(name) in names(room.pitch)
    if pitch := room.pitch if is_its_pitch else pitches.get(name):
        room.pitch, room.matched_at = pitch, at


def _rows(keys: list[Key], at: datetime) -> list[Room]:
    """The rows of these rooms, locked in the order of their ids; made where they are missing."""
    found = find(keys)
    if not all(found):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        for missing in keys:
            if not all(find([missing])):
                _make(*missing, at)
        found = find(keys)
    ids = [room.pk for room in found if room]
    locked = Room.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=ids)
    rows = {room.pk: room for room in locked.select_related("pitch").order_by("pk")}
    return [rows[pk] for pk in ids]


def _make(sirvoy_id: int | None, name: str, at: datetime) -> None:
    """A row for a room never seen; one that was known by this name alone gets the id."""
    adopted = 0
    if sirvoy_id is not None and name:
        nameless = Room.objects.filter(sirvoy_id=None, name=name).order_by("pk").values("pk")[:1]
        adopted = Room.objects.filter(pk__in=nameless).update(sirvoy_id=sirvoy_id)
    if not adopted:
        Room.objects.create(sirvoy_id=sirvoy_id, name=name, named_at=at)
