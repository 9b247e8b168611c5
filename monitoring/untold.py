"""Why nobody is told of an incident just now, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.utils.translation import gettext

from bookings.portal import local
from monitoring import maintenance
from monitoring.models import Incident, MaintenanceWindow


def reasons(incident: Incident, windows: Iterable[MaintenanceWindow], now: datetime) -> list[str]:
    """`windows`: those that go on. What is over has none."""
    if incident.closed_at:
        return []
    told = []
    if incident.snoozed_until and incident.snoozed_until > now:
        told.append(gettext("snoozed until %(moment)s") % {"moment": local.moment(incident.snoozed_until)})
    if maintenance.is_planned(windows, incident.area_id, incident.component):
        told.append(gettext("being worked on"))
    if incident.unseen_since:
        told.append(gettext("cannot be seen just now"))
    return told
