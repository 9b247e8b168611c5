"""What reads bytes from outside, each with its promise: an AssertionError, or any other exception, is a finding.

A target takes bytes and asks no database. What it accepts must fit the columns that it goes to. `seeds` are in
corpus/<name>, what was once found in found/<name>: both are replayed by every run of the tests.
"""

from __future__ import annotations

import json
import re
import struct
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

from django.utils import timezone

from bookings import models as booked
from bookings import sirvoy
from bookings.csv_import import rows as export
from bookings.legacy import customers
from meters import models, notify, zigbee2mqtt
from meters.legacy import found as legacy
from meters.legacy import records
from meters.legacy.columns import NoTable
from meters.zigbee2mqtt import Rejected, bridge, freshness
from monitoring.backup import contents, stripping
from monitoring.backup.manifest import Manifest, ManifestError
from tests.fuzz import mutation, streams
from tests.fuzz.columns import check
from tests.monitoring.backup import zips

HERE = Path(__file__).resolve().parent
NAMES = frozenset({"101,2", "bridge/x", "a/b", "vask/set"})
"""What an area lists: names that a topic of another kind begins with, too."""
ALLOWED_S, ALLOWED_S_PER_MB = 2.0, 20.0
"""CPU: wide of what is needed, for a machine that is slow; far from what takes the square of its length."""


@dataclass(frozen=True)
class Target:
    name: str
    try_one: Callable[[bytes], Any]
    mutate: Callable[[bytes, Random], bytes] = mutation.mutated

    def seeds(self) -> list[Path]:
        return sorted((HERE / "corpus" / self.name).iterdir())

    def found(self) -> list[Path]:
        place = HERE / "found" / self.name
        return sorted(place.iterdir()) if place.is_dir() else []

    def holds(self, body: bytes) -> None:
        """Raises whatever breaks the promise."""
        begun = time.thread_time()
        self.try_one(body)
        took_s, allowed_s = time.thread_time() - begun, ALLOWED_S + ALLOWED_S_PER_MB * len(body) / 2**20
        assert took_s < allowed_s, f"{took_s:.1f} s for {len(body)} bytes"


def parted(body: bytes) -> tuple[str, bytes]:
    """The topic stands on the first line, the payload behind it."""
    topic, _, payload = body.partition(b"\n")
    return topic.decode("utf-8", "replace"), payload


def behind_topic(body: bytes, chance: Random) -> bytes:
    topic, payload = parted(body)
    return topic.encode() + b"\n" + mutation.mutated(payload, chance)


# --- Zigbee2MQTT -----------------------------------------------------------------------------------------------------


def message(body: bytes) -> None:
    topic, payload = parted(body)
    try:
        told = zigbee2mqtt.parse(topic, payload, NAMES)
    except Rejected as error:
        check(models.RejectedMessage, code=error.code)
        return
    fits(told)


def fits(told: zigbee2mqtt.Message) -> None:
    """Whether the tables take what was read."""
    match told:
        case zigbee2mqtt.State():
            _state(told)
        case zigbee2mqtt.BridgeInfo():
            names = ("version", "coordinator", "channel", "permit_join", "permit_join_until", "restart_required")
            check(models.AreaState, **_of(told, *names, "configuration", "network"))
            assert not _secrets_of(told.configuration), "a secret is kept"
        case zigbee2mqtt.Inventory():
            assert len(told.devices) <= bridge.MOST_DEVICES
            assert len({each.friendly_name for each in told.devices}) == len(told.devices)
            for device in told.devices:
                _listed(device)
            for error in told.refused:
                check(models.RejectedMessage, code=error.code)
        case zigbee2mqtt.Groups():
            check(models.AreaState, groups=list(told.sizes), group_sizes=dict(told.sizes))
        case zigbee2mqtt.Health():
            names = ("uptime_s", "mqtt_queued", "mqtt_published", "mqtt_received", "memory_percent", "load_1min")
            check(models.AreaHealth, **_of(told, "generated_at", *names, "devices"))
        case zigbee2mqtt.Response():
            check(models.BridgeRequest, error=told.error, response=told.data)
            check(models.Want, reason=told.transaction)  # any text: it is only looked for
        case zigbee2mqtt.Event():
            _address(told.ieee_address)
            check(models.Device, friendly_name=told.friendly_name)
        case zigbee2mqtt.LogLine():
            complaint(told.text.encode())


def _state(told: zigbee2mqtt.State) -> None:
    check(models.Reading, **_of(told, "linkquality", "power_w", "voltage_dv", "current_ma", "counter_wh", "relay"))
    check(models.Device, friendly_name=told.name, outage_memory=told.outage_memory)
    if told.ieee_address is not None:
        _address(told.ieee_address)
    for name, value in told.phases.items():
        column = {"power": "power_w", "voltage": "voltage_dv", "current": "current_ma"}[name.partition("_")[0]]
        check(models.Reading, **{column: value})


def _listed(device: zigbee2mqtt.ListedDevice) -> None:
    _address(device.ieee_address)
    names = ("friendly_name", "vendor", "model", "model_id", "manufacturer", "software_build", "interview_state")
    check(models.Device, **_of(device, "ieee_address", *names, "disabled", "supported", "has_relay", "relay_readable"))
    check(models.Device, phases=list(device.phases), reportings=list(device.reportings))


def _address(told: str) -> None:
    assert re.fullmatch("0x[0-9a-f]{16}", told), told


def _of(told: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(told, name) for name in names}


def _secrets_of(tree: Any) -> set[str]:
    if isinstance(tree, dict):
        return (bridge.SECRETS & set(tree)).union(*map(_secrets_of, tree.values()))
    return set().union(*map(_secrets_of, tree)) if isinstance(tree, list) else set()


def complaint(body: bytes) -> None:
    line = body.decode("utf-8", "replace")[:2000]
    zigbee2mqtt.is_of_lost_adapter(line)
    told = zigbee2mqtt.parse_complaint(line)
    if told:
        check(models.Command, failure=told.reason)


def cached(body: bytes) -> None:
    """Which values are fresh, by a configuration that anybody may have written."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return
    names = ["state", "energy", "power", "voltage_a", "current_" + "x" * 12]
    for configuration in (told, {"device_options": {"filtered_cache": [told]}}):
        if isinstance(configuration, dict):
            assert freshness.fresh_properties(configuration, "0xa4c138d630000001", names) <= set(names)
            assert freshness.tells_last_seen(configuration) in (True, False)


def news(body: bytes) -> None:
    told = notify.understood(body.decode("utf-8", "replace"))
    assert all(type(each) is int for each in told.meters | told.areas)


# --- bookings --------------------------------------------------------------------------------------------------------


def booking(body: bytes) -> None:
    sirvoy_id = sirvoy.glimpse(body)
    check(booked.WebhookEvent, sirvoy_id=sirvoy_id)
    try:
        told = sirvoy.read(body)
    except sirvoy.Unreadable as error:
        check(booked.WebhookEvent, reason=error.reason)
        return
    check(booked.WebhookEvent, **_of(told, "sirvoy_id", "generated_at"), complaints=list(told.complaints))
    check(booked.Booking, **_of(told, "arrival", "departure", "is_confirmed", "adults", "channel"))
    guest = {name: getattr(told.guest, name) for name in told.guest.__dataclass_fields__}
    check(booked.Guest, **guest)
    for room in told.rooms or ():
        check(booked.Room, sirvoy_id=room.sirvoy_id, name=room.name)
        check(booked.Booking, rooms=[room.name], arrival=room.arrival, departure=room.departure, adults=room.adults)
        check(booked.Guest, room_guests=[room.guest_name, room.comment])
    for item in told.items or ():
        check(booked.Booking, items=[item.description, item.quantity, item.price, item.total], arrival=item.date)


def export_of_sirvoy(body: bytes) -> None:
    try:
        told = export.read(body)
    except export.NotAnExport:
        return
    for row in told.rows:
        _row(row)
    for bad in told.bad:
        check(booked.Booking, sirvoy_id=bad.booking or 0)


def _row(row: export.Row) -> None:
    check(booked.Booking, sirvoy_id=row.booking, **_of(row, "arrival", "departure", "adults", "channel"))
    check(booked.Guest, **row.guest, room_guests=[row.guest_name, row.room_comment])
    check(booked.Room, name=row.room)


# --- the former system -----------------------------------------------------------------------------------------------


def former_system(body: bytes) -> None:
    """The first line is the file's name."""
    name, content = parted(body)
    clock, read = timezone.get_default_timezone(), records.Read()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "".join(sign for sign in name[:60] if sign.isalnum() or sign in "._")
        if path.name in ("", ".", "..", Path(folder).name):
            return
        path.write_bytes(content)
        try:
            told = list(records.records(path, None, {}, read))
        except NoTable:
            return
    everything = legacy.Found()
    legacy.gather(told, clock, read, everything)
    list(legacy.owners(everything))
    for each in everything.pitches:
        check(models.Pitch, number=each.number, map_x=each.map_x, map_y=each.map_y)
    guests = customers.gather([*told, *everything.others], clock, read)
    list(customers.pitches(guests, date(2026, 7, 1)))
    for customer in guests.customers.values():
        for row in customer.rows():
            _row(row)


# --- backups ---------------------------------------------------------------------------------------------------------


def manifest(body: bytes) -> None:
    try:
        told = Manifest.from_json(body)
    except ManifestError:
        return
    assert all("/" not in part.file and part.bytes > 0 for part in told.parts)
    assert told.size >= 0
    assert told.folder
    assert told.postgres_major >= 0
    assert Manifest.from_json(told.to_json()) == told


def backup(body: bytes) -> None:
    """JSON of names and texts is packed into a zip; anything else is tried as it is."""
    try:
        files = {str(name): str(text).encode() for name, text in json.loads(body).items()}
        packed = zips.packed(files)
    except (ValueError, AttributeError, RecursionError, IndexError, struct.error):
        packed = body  # no JSON, or no name of a file
    try:
        told = contents.read(packed)
    except contents.Unusable as error:
        check(models.RejectedMessage, detail=str(error))
        return
    for text in stripping.texts(told, ours=["correct-horse"]).values():
        assert "correct-horse" not in text.lower(), "a secret is kept"
        text.encode()


def in_a_file(body: bytes, chance: Random) -> bytes:
    """What one of the files in the zip holds is changed, else the zip."""
    try:
        files = dict(json.loads(body))
        name = chance.choice(sorted(files))
        changed = mutation.mutated(str(files[name]).encode(), chance)
    except (ValueError, TypeError, IndexError, RecursionError):
        return mutation.mutated(body, chance)
    if chance.random() < 0.1:
        return mutation.mutated(body, chance)
    return json.dumps(files | {name: changed.decode("utf-8", "replace")}).encode()


TARGETS = {
    target.name: target
    for target in (
        Target("stream", streams.holds),
        Target("message", message, behind_topic),
        Target("complaint", complaint),
        Target("cached", cached),
        Target("news", news),
        Target("booking", booking),
        Target("export", export_of_sirvoy),
        Target("former", former_system, behind_topic),
        Target("manifest", manifest),
        Target("backup", backup, in_a_file),
    )
}
