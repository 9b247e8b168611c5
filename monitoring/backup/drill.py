"""Restore drills: the newest backup of a target is brought back where nobody needs it, to know that it can be. The only
module that writes RestoreDrill.

One at a time, by a lock that ends with its holder: one that was killed is recognised, and what it left is swept.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import closing, suppress
from datetime import datetime, timedelta

import psycopg
from django.conf import settings
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext

from meters.people import Person, person
from monitoring.backup import BackupError, fetching, locks, scratch, targets, trial
from monitoring.backup.progress import Progress, Silent
from monitoring.backup.targets import TargetError
from monitoring.models import Origin, RestoreDrill

DUE_AFTER = timedelta(days=28)
OFTEN_S = 2
Status = RestoreDrill.Status
EXPECTED = (BackupError, psycopg.Error, OSError)
"""What a drill is for to find out."""


def run(origin: Origin, by: Person = None, name: str = "", progress: Progress | None = None) -> RestoreDrill:
    """Try the newest backup of this target; none named: of the one that was not tried for the longest time. Returns
    the row that tells what came of it. Raises locks.Busy, and TargetError where there is no such target.
    """
    with locks.held(locks.DRILL):
        _sweep()
        chosen = targets.named(name or _longest_untried(settings.BACKUP_TARGETS))
        row = RestoreDrill.objects.create(started_at=timezone.now(), origin=origin, by=person(by), target=chosen.name)
        steps = Steps(row, progress or Silent())
        try:
            with closing(chosen) as target:
                manifest = fetching.choose(target)
                RestoreDrill.objects.filter(pk=row.pk).update(backup_at=manifest.made_at)
                report = trial.run(target, manifest, steps)
        except EXPECTED as failed:
            return _close(row, steps, error=_words(failed))
        except BaseException as unexpected:
            _close(row, steps, error=type(unexpected).__name__)
            raise
        return _close(row, steps, report)


def run_if_due(now: datetime) -> RestoreDrill | None:
    """One in four weeks, of the targets in turn; one that was never tried, or failed the last time, is tried each night
    until it succeeds. Nothing where no backups are made, or without the key.
    """
    if not settings.BACKUP_IDENTITY:
        return None
    due = set(settings.BACKUP_TARGETS) - {last.target for last in last_of_each() if last.status == Status.DONE}
    if not RestoreDrill.objects.filter(status=Status.DONE, started_at__gt=now - DUE_AFTER).exists():
        due = set(settings.BACKUP_TARGETS)
    with suppress(locks.Busy):
        return run(Origin.SCHEDULE, name=_longest_untried(due)) if due else None
    return None


def last_of_each() -> list[RestoreDrill]:
    """The last drill of each target that is still one, leaving out one that is under way. One query."""
    ended = RestoreDrill.objects.filter(target__in=settings.BACKUP_TARGETS).exclude(status=Status.RUNNING)
    return list(ended.order_by("target", "-started_at").distinct("target"))


def settle_restored() -> None:
    """The database came back from a backup: whatever drill it tells to be under way was ended with the one before."""
    _end_open()


class Steps:
    """Passes on how far it is, notes it in the row, and how long each step took."""

    def __init__(self, row: RestoreDrill, progress: Progress) -> None:
        self.seconds: list[tuple[str, float]] = []
        self._row, self._progress = row, progress
        self._what, self._total, self._done = "", 0, 0
        self._begun_at = self._noted_at = time.monotonic()

    def begin(self, what: str, total: int = 0) -> None:
        self._progress.begin(what, total)
        self.end()
        self._what, self._total, self._done, self._begun_at = what, total, 0, time.monotonic()
        self._note(what)

    def add(self, count: int) -> None:
        self._progress.add(count)
        self._done += count
        if self._total and time.monotonic() - self._noted_at > OFTEN_S:
            self._note(f"{self._what}: {min(1, self._done / self._total):.0%}")

    def end(self) -> None:
        if self._what:
            self.seconds.append((self._what, round(time.monotonic() - self._begun_at, 1)))
            self._what = ""

    def _note(self, step: str) -> None:
        self._noted_at = time.monotonic()
        RestoreDrill.objects.filter(pk=self._row.pk).update(step=step[:80])


# --- inside ----------------------------------------------------------------------------------------------------------


def _sweep() -> None:
    """What a drill that was killed has left: its row, its scratch database. Its files go when the next one fetches."""
    _end_open()
    scratch.sweep()


def _end_open() -> None:
    error = gettext("It was ended in the middle; nothing but the scratch database was touched, and that is gone.")
    RestoreDrill.objects.filter(status=Status.RUNNING).update(
        status=Status.FAILED, finished_at=timezone.now(), error=error
    )


def _longest_untried(names: Collection[str]) -> str:
    """Which of these targets was not tried for the longest time: never tried ones first, as they are set. Raises
    TargetError.
    """
    if not names:
        raise TargetError(gettext("There is no target: BACKUP_TARGETS is not set."))
    tried = dict(RestoreDrill.objects.order_by().values_list("target").annotate(Max("started_at")))
    never = datetime.min.replace(tzinfo=timezone.get_default_timezone())
    return min((name for name in settings.BACKUP_TARGETS if name in names), key=lambda name: tried.get(name, never))


def _close(row: RestoreDrill, steps: Steps, report: trial.Report | None = None, error: str = "") -> RestoreDrill:
    steps.end()
    told = report.told() if report else {}
    problems = report.problems if report else [error]
    RestoreDrill.objects.filter(pk=row.pk).update(
        status=Status.FAILED if problems else Status.DONE,
        finished_at=timezone.now(),
        step="",
        report=told | {"seconds": steps.seconds},
        error="\n".join(problems),
    )
    row.refresh_from_db()
    return row


def _words(failed: Exception) -> str:
    if isinstance(failed, psycopg.Error):
        return gettext("The scratch database went away in the middle: %(why)s") % {
            "why": failed.diag.message_primary or type(failed).__name__
        }
    return str(failed)
