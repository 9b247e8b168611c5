"""What is known of the backups that lie on the targets: by our tables, which are held against each target every night.
Reads only.
"""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from monitoring.backup.manifest import Manifest, ManifestError
from monitoring.models import BackupCopy, BackupRun


@dataclass(frozen=True)
class OnTarget:
    """`newest`: of when the newest good copy is; None: there is none. `size`: its bytes."""

    target: str
    newest: datetime | None
    size: int
    count: int


def on_targets() -> list[OnTarget]:
    """Of each target of BACKUP_TARGETS; in one query.

    After a clock that was ahead, runs go on counting from its time (runs.py): the end of a copy tells when it was, and
    what is to come was never seen.
    """
    now = timezone.now()
    there = BackupCopy.objects.filter(status=BackupCopy.Status.DONE, pruned_at=None)
    found: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for target, begun, ended, size in there.values_list("target", "run__started_at", "finished_at", "bytes"):
        found[target].append((min(begun, ended or begun), size))
    return [_told(target, found[target], now) for target in settings.BACKUP_TARGETS]


def is_ours(manifest: Manifest) -> bool:
    """Whether we have made this very backup: what the target's manifest tells is what was noted here, to the digest.
    Whoever can write there cannot write here.
    """
    noted = BackupRun.objects.filter(started_at=manifest.made_at).values_list("manifest", flat=True)
    with suppress(ManifestError):
        return any(told and Manifest.from_json(json.dumps(told).encode()) == manifest for told in noted)
    return False


def _told(target: str, copies: list[tuple[datetime, int]], now: datetime) -> OnTarget:
    newest, size = max((each for each in copies if each[0] <= now), default=(None, 0))
    return OnTarget(target, newest, size, len(copies))
