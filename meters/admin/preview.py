"""What staff are told before they switch: what will happen, how long it takes, who may depend on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from django.conf import settings
from django.utils import formats, timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from meters import commands
from meters.admin.base import ON_OFF, Text, label, local
from meters.models import Meter, Pitch

MOST_SECONDS = 90
"""Longer than this is told in minutes."""


@dataclass(frozen=True, slots=True)
class Row:
    """A meter, what is to be known of it before it is switched, and why it is left out, if it is."""

    meter: Meter
    labels: Sequence[str] = ()
    skipped: Text = ""


def title(meters: Sequence[Meter], state: bool) -> str:
    if len(meters) == 1:
        text = gettext("Switch on %(meter)s") if state else gettext("Switch off %(meter)s")
        return text % {"meter": meters[0]}
    text = (
        ngettext("Switch on %(count)d meter", "Switch on %(count)d meters", len(meters))
        if state
        else ngettext("Switch off %(count)d meter", "Switch off %(count)d meters", len(meters))
    )
    return text % {"count": len(meters)}


def what(preview: commands.orders.Preview) -> str:
    """What will happen, and how long it takes."""
    if not preview.meters:
        return str(commands.NothingToSwitch.message)
    if preview.state:
        text = ngettext("%(count)d meter will be switched on", "%(count)d meters will be switched on", preview.meters)
    else:
        text = ngettext("%(count)d meter will be switched off", "%(count)d meters will be switched off", preview.meters)
    duration = f", {_duration(preview.seconds)}" if preview.meters > len(preview.offline) else ""
    return f"{text % {'count': preview.meters}}{duration}."


def _duration(seconds: int) -> str:
    if seconds <= 1:
        return gettext("at once")
    if seconds <= MOST_SECONDS:
        return gettext("which takes about %(count)d s") % {"count": seconds}
    return gettext("which takes about %(count)d minutes") % {"count": ceil(seconds / 60)}


def notes(preview: commands.orders.Preview) -> list[str]:
    told = []
    if preview.already:
        on = ngettext("%(count)d of them is on already.", "%(count)d of them are on already.", preview.already)
        off = ngettext("%(count)d of them is off already.", "%(count)d of them are off already.", preview.already)
        told.append((on if preview.state else off) % {"count": preview.already})
    if preview.meters and not preview.is_heard:
        until = formats.time_format(timezone.localtime(commands.waits_until(timezone.now())), "TIME_FORMAT")
        told.append(
            gettext(
                "There is no contact with the meters now: the order waits, until %(until)s at most. What is not sent "
                "by then never is."
            )
            % {"until": until}
        )
    elif count := len(preview.offline):
        text = ngettext(
            "%(count)d is not online: it is switched when it is heard, if that is within %(minutes)d minutes.",
            "%(count)d are not online: each is switched when it is heard, if that is within %(minutes)d minutes.",
            count,
        )
        told.append(text % {"count": count, "minutes": round(settings.COMMAND_DEADLINE_S / 60)})
    if count := len(preview.skipped):
        text = ngettext(
            "%(count)d cannot be switched and is left out.", "%(count)d cannot be switched and are left out.", count
        )
        told.append(text % {"count": count})
    return told


def rows(meters: Iterable[Meter], preview: commands.orders.Preview, now: datetime) -> list[Row]:
    """Those on which somebody may depend first, those that are left out last."""
    skipped = {meter.pk: why.message for meter, why in preview.skipped}
    offline = {meter.pk for meter in preview.offline}
    pitches = commands.serving([meter.pk for meter in preview.depending], now)
    found = []
    for meter in meters:
        labels = [text for pitch in pitches.get(meter.pk, []) for text in _dependence(pitch, now)]
        if meter.pk in offline:
            labels.append(label(_("not online")))
        elif meter.pk not in skipped and meter.relay is preview.state:
            labels.append(label(*ON_OFF[preview.state]))
        found.append(Row(meter, labels, skipped.get(meter.pk, "")))
    return sorted(found, key=lambda row: (bool(row.skipped), row.meter.pk not in pitches))


def _dependence(pitch: Pitch, now: datetime) -> list[str]:
    """Why somebody may depend on this pitch's power."""
    words = []
    if pitch.occupied_until and pitch.occupied_until > now:
        until = gettext("occupied until %(time)s") % {"time": local(pitch.occupied_until)}
        words.append(label(until, "warning"))
    if pitch.policy != Pitch.Policy.AUTOMATIC:
        words.append(label(pitch.get_policy_display(), "warning"))
    return words
