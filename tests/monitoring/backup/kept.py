"""A backup of the test's database on a target of its own, as far as it has been committed."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

from django.contrib.sessions.models import Session
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from meters import commands, partitions, requests
from meters.models import Source
from monitoring.backup import database, sealing, targets
from monitoring.backup.manifest import FILE, Kind, Manifest, Part
from monitoring.models import BackupCopy, BackupRun, Incident, RestoreDrill
from tests import emptied
from tests import make as rows
from tests.monitoring.backup import zips

IDENTITY, RECIPIENT = sealing.new_key()
MADE_AT = datetime(2026, 7, 12, 2, 15, tzinfo=UTC)
FOLDER = {"mosquitto.conf": b"persistence true\n"}


def settings_for(folder: Path) -> dict[str, object]:
    """Settings that know one target, `nas`, and the key."""
    for name in ("nas", "work"):
        (folder / name).mkdir(exist_ok=True)
    return {
        "BACKUP_TARGETS": {"nas": f"file://{folder}/nas"},
        "BACKUP_RECIPIENTS": [RECIPIENT],
        "BACKUP_IDENTITY": IDENTITY,
        "BACKUP_WORK": str(folder / "work"),
    }


def of_a_campsite(folder: Path, readings: int = 10) -> Manifest:
    """Where two guests have used 12.345 and 3 kWh, while much was under way: as `make`. The database is left empty."""
    now = timezone.now()
    with override_settings(**settings_for(folder)):
        try:
            for kwh in ("12.345", "3"):
                rows.used(rows.stay(rows.pitch()), kwh)
            _read(readings)
            commands.want(rows.switchable(), Source.STAFF, True)
            requests.ask(rows.area(), "permit_join", {"time": 60})
            commands.stop.press(None, "smell of fire")
            Incident.objects.create(key="x", code="bridge_offline", since=now, found_at=now, opened_at=now)
            Session.objects.create(session_key="stolen", session_data="", expire_date=now + timedelta(days=9))
            RestoreDrill.objects.create(started_at=MADE_AT, target="nas")
            run = BackupRun.objects.create(started_at=MADE_AT, heartbeat=MADE_AT)
            BackupCopy.objects.create(run=run, target="nas")
            return make(folder)
        finally:
            emptied.restore()


def make(folder: Path, made_at: datetime = MADE_AT, *, software: str = "1") -> Manifest:
    """On the target `nas` of these settings. A Zigbee2MQTT's zip and a folder lie beside the database."""
    target = targets.named("nas")
    parts = []
    with database.snapshot() as moment, database.dump(moment) as dump:
        parts.append(_seal(folder, "database", Kind.DATABASE, "database.dump.age", dump))
        told = database.rows(moment.connection), database.ledger(moment.connection)
        applied, server = database.migrations(moment.connection), database.server(moment.connection)
    parts.append(
        _seal(folder, "north", Kind.ZIGBEE2MQTT, "zigbee2mqtt-north.zip.age", BytesIO(zips.packed(zips.files(2))))
    )
    parts.append(_seal(folder, "mosquitto", Kind.FOLDER, "folder-mosquitto.tar.gz.age", BytesIO(tarred(FOLDER))))
    made = Manifest(made_at, software, server, applied, tuple(parts), (), *told)
    for part in parts:
        target.upload(made.folder, part.file, folder / part.file)
    write_manifest(folder, made)
    return made


def _read(count: int) -> None:
    day = MADE_AT.date()
    partitions.ensure([day])
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO meters_reading (meter_id, measured_at, power_w) "
            "SELECT 1, %s::timestamptz + n * interval '1 ms', n FROM generate_series(1, %s) n",
            [day, count],
        )


def write_manifest(folder: Path, made: Manifest) -> None:
    """Also over another one; and noted, as by whoever made it."""
    (folder / "nas" / made.folder / FILE).write_bytes(made.to_json())
    note(made)


def note(made: Manifest) -> None:
    told = {"manifest": made.told(), "heartbeat": made.made_at}
    BackupRun.objects.update_or_create(
        started_at=made.made_at, defaults=told, create_defaults=told | {"status": "done"}
    )


def put(folder: Path, made: Manifest, part: Part, content: bytes) -> Part:
    """Other content in the place of this part's, sealed anew; what the manifest would then tell of it."""
    sealed = _seal(folder, part.name, part.kind, part.file, BytesIO(content))
    (folder / part.file).replace(folder / "nas" / made.folder / part.file)
    return sealed


def tarred(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            told = tarfile.TarInfo(name)
            told.size = len(content)
            archive.addfile(told, io.BytesIO(content))
    return packed.getvalue()


def _seal(folder: Path, name: str, kind: Kind, file: str, source: sealing.Readable) -> Part:
    (folder / file).unlink(missing_ok=True)
    sealed = sealing.seal(source, folder / file)
    return Part(name, kind, file, sealed.bytes, sealed.sha256, sealed.plain_bytes)
