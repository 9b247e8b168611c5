"""What a route reads: a title and a text, in the language that is spoken.

Names in it come from devices, and from whoever named them: nothing of them may act as a link, a call to all, or markup
where it is read.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext

from monitoring import words
from monitoring.findings import RANK, Severity
from monitoring.models import Alert, Incident

MOST_LINES = 10
LONGEST_FACT = 120
HARMLESS = str.maketrans(
    {"<": "‹", ">": "›", "[": "(", "]": ")", "@": "＠", "`": "'", "*": "∗", "|": "¦", "~": "∼", "\\": "/"}
)
"""Signs of HTML, Markdown and of chats' calls, each with one that looks alike and does nothing."""

Kind = Alert.Kind


def title(alerts: Sequence[Alert]) -> str:
    if len(alerts) > 1:
        return _title_of_many(alerts)
    (alert,) = alerts
    what = _what(alert.incident)
    return gettext("Over: %(what)s") % {"what": what} if alert.kind == Kind.CLOSED else what


def text(alerts: Sequence[Alert]) -> str:
    """The worst first, what is over last; so that it is the end that is cut where little room is."""
    ordered = sorted(alerts, key=lambda alert: (alert.kind == Kind.CLOSED, RANK[Severity(alert.incident.severity)]))
    lines = [_line(alert) for alert in ordered[:MOST_LINES]]
    if len(ordered) > MOST_LINES:
        lines.append(gettext("… and %(count)d more") % {"count": len(ordered) - MOST_LINES})
    return "\n\n".join(lines)


def plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The same facts, their texts short, on one line, and without signs that could act."""
    return {name: _plain(value) if isinstance(value, str) else value for name, value in facts.items()}


def _plain(value: str) -> str:
    line = "".join(sign if unicodedata.category(sign)[0] != "C" else " " for sign in value.replace("://", ":/ /"))
    return Truncator(" ".join(line.split()).translate(HARMLESS)).chars(LONGEST_FACT)


def _title_of_many(alerts: Sequence[Alert]) -> str:
    going_on = [Severity(alert.incident.severity) for alert in alerts if alert.kind != Kind.CLOSED]
    if not going_on:
        return gettext("%(count)d things are over") % {"count": len(alerts)}
    worst = min(going_on, key=lambda severity: RANK[severity])
    return gettext("%(count)d things, the worst: %(severity)s") % {"count": len(alerts), "severity": worst.label}


def _line(alert: Alert) -> str:
    incident = alert.incident
    at = timezone.localtime(incident.since, timezone.get_default_timezone()).strftime("%d.%m. %H:%M")
    if alert.kind == Kind.CLOSED:
        return gettext("Over: %(what)s (since %(since)s)") % {"what": _what(incident), "since": at}
    severity, since = Severity(incident.severity).label.capitalize(), gettext("since %(moment)s") % {"moment": at}
    told = f"{severity}: {_what(incident)} ({since}){_how_it_goes(alert)}"
    return "\n".join([told, f"→ {words.todo(incident.code, plain(incident.facts))}", *_way(incident)])


def _how_it_goes(alert: Alert) -> str:
    if alert.kind == Kind.WORSE:
        return " · " + gettext("it got worse")
    if alert.kind != Kind.AGAIN:
        return ""
    return " · " + (gettext("it goes on") if alert.incident.seen_at else gettext("nobody looks after it yet"))


def _way(incident: Incident) -> list[str]:
    """To the page on which one says that one looks after it."""
    address = reverse("admin:monitoring_incident_change", args=[incident.pk])
    return [f"{settings.SITE_URL}{address}"] if settings.SITE_URL else []


def _what(incident: Incident) -> str:
    return words.what(incident.code, plain(incident.facts))
