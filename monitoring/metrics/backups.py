"""What is told of backups and of their restore drills. Labels are the targets' names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Max

from monitoring.backup import kept
from monitoring.metrics.families import Metric, gauge
from monitoring.models import RestoreDrill


def collect(now: datetime) -> Iterator[Metric]:
    """Of a target without any nothing is told but that it has none."""
    there = kept.on_targets()
    text = "Of when the newest good backup on this target is."
    rows = [(each.target, each.newest) for each in there]
    yield gauge("campsite_backup_newest_timestamp_seconds", text, rows, ["target"])
    rows_of_size = [(each.target, each.size) for each in there if each.newest]
    yield gauge("campsite_backup_newest_bytes", "How large that one is.", rows_of_size, ["target"])
    yield gauge("campsite_backups", "Good backups on this target.", [(e.target, e.count) for e in there], ["target"])
    done = RestoreDrill.objects.filter(status=RestoreDrill.Status.DONE).aggregate(at=Max("started_at"))["at"]
    text = "When a backup was last brought back on trial, and was as it should be."
    yield gauge("campsite_restore_drill_newest_timestamp_seconds", text, [(done,)])
