"""What the audit log tells of wants: one entry a meter, in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils.translation import gettext_noop

from meters.commands.rules import Wish
from meters.models import Meter, Want
from meters.people import person

NOT_MANAGED = "None"
# How the log names what it notes.
gettext_noop("wanted")
gettext_noop("tried again")


def note(
    wants: Sequence[Want], before: Mapping[int, Want], after: Mapping[int, Want], wish: Wish, now: datetime
) -> None:
    """What was wanted of each meter before and after, who, why, until when."""
    told = {}
    for w in wants:
        told[w.meter_id] = {
            "wanted": [_word(before.get(w.meter_id)), _word(after.get(w.meter_id))],
            "source": ["", w.source],
            "reason": ["", wish.reason or w.reason],
        }
        if w.until:
            told[w.meter_id]["until"] = ["", w.until.isoformat()]
    _write(told, wish, now)


def note_again(want: Want, wish: Wish, now: datetime) -> None:
    """That a person had it tried once more."""
    told = {"tried again": ["", _word(want)], "source": ["", want.source], "reason": ["", wish.reason]}
    _write({want.meter_id: told}, wish, now)


def _write(told: Mapping[int, dict[str, Any]], wish: Wish, now: datetime) -> None:
    """`told`: by meter (id)."""
    kind = ContentType.objects.get_for_model(Meter)
    names = dict(Meter.objects.filter(pk__in=told).values_list("pk", "device__friendly_name"))
    LogEntry.objects.bulk_create(
        LogEntry(
            content_type=kind,
            object_pk=str(meter_id),
            object_id=meter_id,
            object_repr=names[meter_id],
            action=LogEntry.Action.UPDATE,
            changes=changes,
            actor=person(wish.by),
            timestamp=now,
        )
        for meter_id, changes in told.items()
    )


def _word(want: Want | None) -> str:
    return want.word if want else NOT_MANAGED
