"""Messages that could not be used, counted and sampled. The only module that writes RejectedMessage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from meters.forgetting import forget
from meters.models import RejectedMessage

MOST_ROWS = 1000
LONGEST_SAMPLE = 1000
SECRET_TOPICS = ("bridge/response/", "bridge/info", "bridge/request/", "bridge/logging")
"""A Zigbee2MQTT that logs what it publishes repeats its backup, the network's key in it, on bridge/logging."""


@dataclass(frozen=True, slots=True)
class Refusal:
    topic: str
    code: str
    detail: str
    payload: bytes
    at: datetime


def note(refusals: Iterable[Refusal]) -> None:
    """One row a topic and code, the newest MOST_ROWS of them. What may hold a secret is counted and not sampled."""
    rows: dict[tuple[str, str], Refusal] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for refusal in refusals:
        key = (_clean(refusal.topic, 300), refusal.code)
        rows[key] = refusal
        counts[key] += 1
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO meters_rejectedmessage (topic, code, detail, sample, count, first_at, last_at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (topic, code) DO UPDATE SET count = "
            "meters_rejectedmessage.count + excluded.count, detail = excluded.detail, sample = excluded.sample, "
            "last_at = excluded.last_at",
            [
                (topic, code, _clean(r.detail, 500), _sample(r), counts[topic, code], r.at, r.at)
                for (topic, code), r in sorted(rows.items())
            ],
        )
        cursor.execute(
            "DELETE FROM meters_rejectedmessage WHERE id IN "
            "(SELECT id FROM meters_rejectedmessage ORDER BY last_at DESC, id DESC OFFSET %s)",
            [MOST_ROWS],
        )


def prune(before: datetime) -> int:
    """Forget those that did not come again since then; returns how many."""
    return forget(RejectedMessage.objects.filter(last_at__lt=before))


def _sample(refusal: Refusal) -> str:
    if any(secret in refusal.topic for secret in SECRET_TOPICS):
        return ""
    return _clean(refusal.payload[:LONGEST_SAMPLE].decode("utf-8", "backslashreplace"), LONGEST_SAMPLE)


def _clean(text: str, longest: int) -> str:
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")[:longest]
