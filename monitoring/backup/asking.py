"""How a backup comes to be made in the background: each night, and when a person asks for one."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime

from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils import timezone
from django_q.tasks import async_task

from meters.people import Person, person
from monitoring.backup import LONGEST_S, runs
from monitoring.models import BackupRun, Origin

logger = logging.getLogger(__name__)


def ask(by: Person) -> None:
    """Have one made as soon as a background worker is free; what becomes of it is seen in the list of backups."""
    asked_at = timezone.now().isoformat()
    with transaction.atomic():
        async_task("monitoring.tasks.back_up_for", by and by.pk, asked_at, q_options={"timeout": LONGEST_S})
        LogEntry.objects.create(  # of one that is still to be made
            content_type=ContentType.objects.get_for_model(BackupRun),
            action=LogEntry.Action.CREATE,
            changes={"asked": ["", "True"]},
            actor=person(by),
        )


def make_asked(by_id: int | None, asked_at: str) -> None:
    """Not when another one has begun since: a second click asks for no second backup."""
    if not BackupRun.objects.filter(started_at__gte=datetime.fromisoformat(asked_at).replace(microsecond=0)).exists():
        with suppress(runs.UnderWay, runs.Unset):
            runs.run(Origin.PERSON, User.objects.filter(pk=by_id).first() if by_id else None)


def make_nightly() -> None:
    """Where backups are not set up nothing is done: a check tells of it."""
    try:
        runs.run(Origin.SCHEDULE)
    except (runs.UnderWay, runs.Unset) as why:
        logger.info("No backup tonight: %s", why)
