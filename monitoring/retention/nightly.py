"""Forgets what is old, kind by kind. The only writer of Forgetting.

Each kind goes in transactions of its own, some rows at a time; one that fails holds up no other, and is found.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

from django.db import transaction

from monitoring.models import Forgetting
from monitoring.retention.table import TABLE, Kept

logger = logging.getLogger(__name__)
LONGEST_S = 300
"""After so long the rest waits for the next night, which begins with it: a job may take ten minutes."""
NEVER = datetime.min.replace(tzinfo=UTC)


def run(now: datetime, table: Iterable[Kept] = TABLE) -> None:
    """Each kind, those first that have waited the longest. May run late or twice."""
    until, table = monotonic() + LONGEST_S, list(table)
    Forgetting.objects.exclude(slug__in=[kept.slug for kept in table]).delete()  # of a kind that is no more
    last = dict(Forgetting.objects.filter(at__isnull=False).values_list("slug", "at"))
    for kept in sorted(table, key=lambda kept: last.get(kept.slug) or NEVER):
        if monotonic() < until:
            Forgetting.objects.update_or_create(slug=kept.slug, defaults=_forget(kept, now))


def _forget(kept: Kept, now: datetime) -> dict[str, Any]:
    """What becomes of its row. Where it fails, the row still tells when it was done last."""
    started = monotonic()
    try:
        forgotten = kept.prune(now - kept.lasts) if kept.prune and kept.lasts else None
        took = timedelta(seconds=monotonic() - started)
        with transaction.atomic():
            oldest_at = kept.oldest()
    except Exception as failure:
        logger.exception("what is old of %s could not be forgotten", kept.slug)
        return {"error": type(failure).__name__}
    return {"at": now, "forgotten": forgotten, "took": took, "oldest_at": oldest_at, "error": ""}
