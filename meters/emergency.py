"""The worker's own voice, for when nobody else can speak: the database or the background jobs are away.

It needs no table: what was told stands in memory, so a worker that starts anew tells once more. EMERGENCY_URL is an
address for Apprise, best of another kind than the usual alerts'.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import connection
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from meters import outbound

logger = logging.getLogger(__name__)
JOBS_LATE = timedelta(minutes=3)
"""Jobs of each minute that have waited so long are not being run."""

# django-q2's tables; the lock of a job that is being done lies in the future.
LATE = """
SELECT count(*), min(since) FROM (
    SELECT next_run AS since FROM django_q_schedule WHERE next_run < %(late)s
    UNION ALL SELECT lock FROM django_q_ormq WHERE lock < %(late)s
) late
"""

# Those of each so many minutes alone: what comes seldomer is in time all the same.
RECALL = """
UPDATE django_q_schedule SET next_run = %(now)s
WHERE schedule_type = 'I' AND next_run > %(soon)s + make_interval(mins => coalesce(minutes, 1))
"""


class Words(NamedTuple):
    wrong: Promise
    over: Promise


WORDS = {
    "database": Words(
        _("The database cannot be reached: nothing is stored or switched. Start PostgreSQL; is its disk full?"),
        _("The database answers again."),
    ),
    "jobs": Words(
        _("The background jobs (qcluster) are not running: nothing is checked, nobody is alerted. Start them again."),
        _("The background jobs run again."),
    ),
}


def waiting_jobs(now: datetime) -> tuple[int, datetime | None]:
    """How many jobs are overdue, and since when: due and not handed out, or handed out and taken by nobody, as those
    who should do them hang. One query.
    """
    with connection.cursor() as cursor:
        cursor.execute(LATE, {"late": now - JOBS_LATE})
        jobs, since = cursor.fetchone()
    return jobs, since


def are_jobs_waiting(now: datetime) -> bool:
    """Whether what is due is not run. One query."""
    return waiting_jobs(now)[0] > 0


def recall_jobs(now: datetime) -> int:
    """Jobs of each minute that stand later than their turn are due now; returns how many. One query.

    The clock was ahead and was set back: until it is there again nobody would look, tell, or renew what bookings want.
    """
    with connection.cursor() as cursor:
        cursor.execute(RECALL, {"now": now, "soon": now + JOBS_LATE})
        recalled: int = cursor.rowcount
    return recalled


class Emergency:
    """Told what is wrong each time it is seen; tells people once when it stays so, and once when it is over."""

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        self._tell = tell or _tell_beside
        self._since: dict[str, float] = {}
        self._told: set[str] = set()

    def see(self, what: str, is_wrong: bool) -> None:
        """`what` is a key of WORDS. Returns at once."""
        if not is_wrong:
            self._since.pop(what, None)
            if what in self._told:
                self._told.discard(what)
                self._tell(_text(WORDS[what].over))
            return
        since = self._since.setdefault(what, time.monotonic())
        if what not in self._told and time.monotonic() - since >= settings.EMERGENCY_AFTER_S:
            self._told.add(what)
            self._tell(_text(WORDS[what].wrong))


def _text(words: Promise) -> str:
    with translation.override(settings.LANGUAGE_CODE):
        return str(words)


def _tell_beside(text: str) -> None:
    """In a thread of its own: whoever carries it may take its time, and the worker has none."""
    if settings.EMERGENCY_URL:
        threading.Thread(target=_tell, args=[text], daemon=True, name="emergency").start()


def _tell(text: str) -> None:
    with translation.override(settings.LANGUAGE_CODE):
        title = settings.SITE_NAME + ": " + gettext("emergency")
    if not outbound.tell(settings.EMERGENCY_URL, title, text):
        logger.error("The emergency route could not be told")
