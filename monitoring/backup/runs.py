"""Makes backups: the only module that writes BackupRun and BackupCopy.

Row first: a run is in the table before it does anything. It holds a lock as long as it lives: a row that is under way
without the lock is of a run that was killed, and the next one clears up after it.
"""

from __future__ import annotations

import logging
import shutil
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext as _

from monitoring.backup import BackupError, generations, locks, manifest, parts, targets
from monitoring.backup.manifest import Manifest, Missing, Part
from monitoring.backup.targets import Target
from monitoring.models import BackupCopy, BackupRun, Origin

logger = logging.getLogger(__name__)
TOLD_EVERY_S = 1.0
MAKING = "making-"
"""Begins the names of working folders: not as on a target, so that one that lies in BACKUP_WORK is never swept."""

Say = Callable[[str], None]


class UnderWay(BackupError):
    """Somebody else is making one."""


class Unset(BackupError):
    """Nobody said where to, or for whose key."""


def run(origin: Origin, by: User | None = None, say: Say | None = None) -> BackupRun:
    """Make a backup and bring it to each target; what became of it stands in the row that is returned.

    `say` hears each step. Raises Unset, UnderWay, and DatabaseError when there is no database to note it in.
    """
    _check_settings()
    try:
        with locks.held(locks.BACKUP):
            _clear_up(timezone.now())
            return _run(_begin(origin, by), say)
    except locks.Busy:
        raise UnderWay(_("A backup is under way already. Wait until it is done.")) from None


def settle_restored(told: Manifest, target: str) -> None:
    """The database that holds this run came back from this very backup, made while the run was under way: so far as
    one can know, it was done, at its last sign of life. What lies on other targets is found by the next run.
    """
    run = BackupRun.objects.filter(started_at=told.made_at, status=BackupRun.Status.RUNNING).first()
    if run is None:
        return
    ended = {"finished_at": run.heartbeat, "bytes": told.size, "error": ""}
    run.copies.filter(target=target).update(status=BackupCopy.Status.DONE, **ended)
    status = BackupRun.Status.INCOMPLETE if told.missing else BackupRun.Status.DONE
    BackupRun.objects.filter(pk=run.pk).update(status=status, manifest=told.told(), step="", **ended)


def is_set() -> bool:
    """Whether it is said where backups go, and whose key opens them."""
    return bool(settings.BACKUP_TARGETS and settings.BACKUP_RECIPIENTS)


@dataclass
class _Journal:
    """Writes how far a run is, at most once a second."""

    run: BackupRun
    say: Say | None
    _told: float = 0.0

    def step(self, text: str) -> None:
        self.run.step = text[:80]
        self._write()
        if self.say:
            self.say(text)

    def more(self, count: int) -> None:
        self.run.bytes += count
        if time.monotonic() - self._told >= TOLD_EVERY_S:
            self._write()

    def _write(self) -> None:
        self._told = time.monotonic()
        told = {"step": self.run.step, "bytes": self.run.bytes, "heartbeat": timezone.now()}
        BackupRun.objects.filter(pk=self.run.pk).update(**told)


def _check_settings() -> None:
    if not is_set():
        raise Unset(
            _("Backups are not set up: BACKUP_TARGETS says where they go, BACKUP_RECIPIENTS for which key of age.")
        )


def _begin(origin: Origin, by: User | None) -> BackupRun:
    """A later second than that of any run before: it names the backup's folder."""
    now = timezone.now().replace(microsecond=0)
    last = BackupRun.objects.order_by("-started_at").first()
    begun = max(now, last.started_at + timedelta(seconds=1)) if last else now
    made = BackupRun.objects.create(started_at=begun, origin=origin, by=by, heartbeat=timezone.now())
    BackupCopy.objects.bulk_create(BackupCopy(run=made, target=target) for target in settings.BACKUP_TARGETS)
    return made


def _run(made: BackupRun, say: Say | None) -> BackupRun:
    journal = _Journal(made, say)
    try:
        with _working_folder(made) as work:
            told = _make(made, work, journal)
            for target in targets.all():
                journal.step(_("copying to %(target)s") % {"target": target.name})
                _send(made, told, work, target)
    except (BackupError, OSError) as failure:
        _finish(made, _in_words(failure))
    except BaseException as failure:
        _finish(made, type(failure).__name__)
        raise
    else:
        _finish(made, "")
    return made


@contextmanager
def _working_folder(made: BackupRun) -> Iterator[Path]:
    """Ours alone, and gone in the end."""
    work = Path(settings.BACKUP_WORK) / f"{MAKING}{manifest.folder_name(made.started_at)}"
    work.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    work.mkdir(mode=0o700)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _make(made: BackupRun, work: Path, journal: _Journal) -> Manifest:
    """All parts and the manifest in the working folder. Raises BackupError, OSError."""
    database, moment = parts.dump_database(work, journal)
    others = [*parts.zigbee2mqtts(work, made.by, journal), *parts.configured_folders(work, journal)]
    told = Manifest(
        made_at=made.started_at,
        software=_version(),
        postgres=moment.postgres,
        migrations=moment.migrations,
        parts=(database, *(part for part in others if isinstance(part, Part))),
        missing=tuple(part for part in others if isinstance(part, Missing)),
        rows=moment.rows,
        ledger=moment.ledger,
    )
    (work / manifest.FILE).write_bytes(told.to_json())
    made.manifest, made.bytes = told.told(), told.size
    BackupRun.objects.filter(pk=made.pk).update(manifest=made.manifest, bytes=made.bytes, heartbeat=timezone.now())
    return told


def _send(made: BackupRun, told: Manifest, work: Path, target: Target) -> None:
    """What goes wrong here stands in the copy's row: the other targets are served all the same."""
    copy = BackupCopy.objects.get(run=made, target=target.name)
    copy.status, begun, sent = BackupCopy.Status.RUNNING, time.monotonic(), _Sent(copy)
    copy.save(update_fields=["status"])
    _try_to_clear(target)
    try:
        for file in (*(part.file for part in told.parts), manifest.FILE):
            target.upload(told.folder, file, work / file, sent.more)
        copy.status = BackupCopy.Status.DONE
    except BackupError as failure:
        copy.status, copy.error = BackupCopy.Status.FAILED, str(failure)
    except Exception as failure:
        logger.exception("the copy to %s failed", target.name)
        copy.status, copy.error = BackupCopy.Status.FAILED, type(failure).__name__
    copy.duration_s, copy.finished_at = time.monotonic() - begun, timezone.now()
    copy.save(update_fields=["status", "error", "bytes", "duration_s", "finished_at"])
    _thin_out(copy, target) if copy.status == BackupCopy.Status.DONE else _try_to_clear(target)
    target.close()


@dataclass
class _Sent:
    """Counts a copy's bytes, and writes them at most once a second."""

    copy: BackupCopy
    _told: float = 0.0

    def more(self, count: int) -> None:
        self.copy.bytes += count
        if time.monotonic() - self._told >= TOLD_EVERY_S:
            self._told = time.monotonic()
            BackupCopy.objects.filter(pk=self.copy.pk).update(bytes=self.copy.bytes)
            BackupRun.objects.filter(pk=self.copy.run_id).update(heartbeat=timezone.now())


def _thin_out(copy: BackupCopy, target: Target) -> None:
    """Only after a success: remove what no generation holds any more, and note what is gone without us.

    That it cannot be removed spoils no copy: some targets shall not let us, so that nobody else can through us.
    """
    now, zone = timezone.now(), timezone.get_default_timezone()
    try:
        there = {told.made_at for told in target.backups()}
        _note_gone(target, there, now)
        for at in generations.passed(there, target.generations, zone):
            target.remove(manifest.folder_name(at))
            BackupCopy.objects.filter(target=target.name, run__started_at=at).update(pruned_at=now)
    except BackupError as failure:
        copy.error = _("It is there, but older ones could not be looked through or removed: %(why)s") % {"why": failure}
        copy.save(update_fields=["error"])


def _note_gone(target: Target, there: set[datetime], now: datetime) -> None:
    gone = BackupCopy.objects.filter(target=target.name, status=BackupCopy.Status.DONE, pruned_at=None)
    text = _("It was there, and is gone or not whole any more. It was not we who removed it.")
    gone.exclude(run__started_at__in=there).update(status=BackupCopy.Status.FAILED, error=text, pruned_at=now)


def _clear_up(now: datetime) -> None:
    """After runs that were killed, with the lock in hand: nobody is at work on these rows any more."""
    for killed in BackupRun.objects.filter(status=BackupRun.Status.RUNNING):
        _finish(killed, _("It was ended in the middle: by a restart, a power cut, or because it took too long."))
    for path in Path(settings.BACKUP_WORK).glob(f"{MAKING}*"):
        shutil.rmtree(path, ignore_errors=True)


def _clear_leftovers(target: Target) -> None:
    """Remove what copies that failed left there. One that is whole was finished, only nobody could note it any more."""
    for copy in BackupCopy.objects.filter(
        target=target.name, status=BackupCopy.Status.FAILED, pruned_at=None
    ).select_related("run"):
        folder = manifest.folder_name(copy.run.started_at)
        if folder in target.folders() and target.manifest(folder):
            copy.status, copy.error = BackupCopy.Status.DONE, ""
        else:
            target.remove(folder)
            copy.pruned_at = timezone.now()
        copy.save(update_fields=["status", "error", "pruned_at"])


def _try_to_clear(target: Target) -> None:
    """So that a target that is full is not full of what is no backup. Where it cannot be done now, the next run tries:
    some targets never let us.
    """
    try:
        _clear_leftovers(target)
    except BackupError as failure:
        logger.warning("what was left on %s stays for now: %s", target.name, failure)


def _finish(made: BackupRun, error: str) -> None:
    """With what the copies say. Those that were not finished never will be."""
    unfinished = made.copies.filter(status__in=[BackupCopy.Status.WAITING, BackupCopy.Status.RUNNING])
    text = error or _("It did not come to it.")
    unfinished.update(status=BackupCopy.Status.FAILED, error=text, finished_at=timezone.now())
    made.status, made.error, made.finished_at = _outcome(made), error, timezone.now()
    made.save(update_fields=["status", "error", "finished_at"])


def _outcome(made: BackupRun) -> BackupRun.Status:
    done = made.copies.filter(status=BackupCopy.Status.DONE).count()
    if not done:
        return BackupRun.Status.FAILED
    is_all = done == made.copies.count() and not (made.manifest or {}).get("missing")
    return BackupRun.Status.DONE if is_all else BackupRun.Status.INCOMPLETE


def _in_words(failure: Exception) -> str:
    if isinstance(failure, OSError):
        text = _("The working folder %(folder)s: %(why)s. Is its disk full?")
        return text % {"folder": settings.BACKUP_WORK, "why": failure.strerror or type(failure).__name__}
    return str(failure)


@cache
def _version() -> str:
    told = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())
    return str(told["project"]["version"])
