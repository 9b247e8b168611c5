"""An incident's page: what is wrong, since when, what to do, who looks after it, and all that happened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from bookings.portal import local
from meters import clock
from meters.models import Meter
from monitoring import alerts, incidents, maintenance
from monitoring.findings import RANK, Severity
from monitoring.models import Alert, Incident, IncidentNote

MORNING = time(8)
LONGEST_SNOOZE = timedelta(days=31)
MOST_SHOWN = 50
COLOURS = {Severity.CRITICAL: "danger", Severity.WARNING: "warning", Severity.NOTICE: "info"}


class Entry(NamedTuple):
    """A line of an incident's history."""

    at: datetime
    who: str
    what: str
    text: str = ""


class CommentForm(forms.Form):
    comment = forms.CharField(max_length=incidents.LONGEST_COMMENT, required=False)


class SnoozeForm(forms.Form):
    """`for`: one of the buttons; else `until`, by the campsite's clock."""

    until = forms.DateTimeField(required=False)
    length = forms.ChoiceField(choices=[(each, each) for each in ("1h", "4h", "morning")], required=False)

    def moment(self, now: datetime) -> datetime | None:
        """Until when; None where that is no time, or none that lies within a month from now."""
        if not self.is_valid():
            return None
        until = lengths(now).get(self.cleaned_data["length"]) or self.cleaned_data["until"]
        return until if until and now < until <= now + LONGEST_SNOOZE else None


def lengths(now: datetime) -> dict[str, datetime]:
    """Until when the buttons snooze."""
    days = (clock.moment(clock.day_of(now) + timedelta(days=each), MORNING) for each in (0, 1))
    morning = next(moment for moment in days if moment > now + timedelta(hours=1))
    return {"1h": now + timedelta(hours=1), "4h": now + timedelta(hours=4), "morning": morning}


def length(incident: Incident, now: datetime) -> str:
    """How long it lasted, or has lasted."""
    return local.span(max((incident.closed_at or now) - incident.since, timedelta()))


def page(model_admin: ModelAdmin, request: HttpRequest, incident: Incident) -> HttpResponse:
    """Shown to who may see incidents; done something about by who may change them."""
    now = timezone.now()
    may_act = request.user.has_perm("monitoring.change_incident")
    if request.method == "POST":
        if not may_act:
            raise PermissionDenied
        _act(request, incident, now)
        return HttpResponseRedirect(request.path)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": incident.what,
        "opts": model_admin.opts,
        "incident": incident,
        "colour": COLOURS[Severity(incident.severity)],
        "length": length(incident, now),
        "is_of_meter": Meter.objects.filter(device__ieee_address=incident.about).exists(),
        "is_snoozed": incident.snoozed_until is not None and incident.snoozed_until > now,
        "may_act": may_act and incident.closed_at is None,
        "buttons": lengths(now),
        "now": now,
        "latest": now + LONGEST_SNOOZE,
        **_around(incident, now),
    }
    return TemplateResponse(request, "admin/monitoring/incident.html", context)


def _act(request: HttpRequest, incident: Incident, now: datetime) -> None:
    act = ACTS.get(request.POST.get("act", ""))
    if act is None:
        messages.error(request, gettext("That is nothing that can be done here."))
    elif done := act(request, incident, now):
        messages.success(request, done)


def _look_after(request: HttpRequest, incident: Incident, now: datetime) -> str | None:
    comment = _comment(request)
    return _said(request, incidents.look_after(incident, request.user, comment, now), _("You look after it."))


def _leave(request: HttpRequest, incident: Incident, now: datetime) -> str | None:
    return _said(request, incidents.leave(incident, request.user, now), _("Nobody looks after it any more."))


def _say(request: HttpRequest, incident: Incident, now: datetime) -> str | None:
    if not (comment := _comment(request)):
        messages.error(request, gettext("Write a comment first."))
        return None
    return _said(request, incidents.say(incident, request.user, comment, now), _("Your comment was noted."))


def _snooze(request: HttpRequest, incident: Incident, now: datetime) -> str | None:
    until = SnoozeForm(request.POST).moment(now)
    if until is None:
        messages.error(request, gettext("Say until when: a time from now on, within a month."))
        return None
    text = gettext("Nobody is told of it until %(moment)s.") % {"moment": local.moment(until)}
    return _said(request, incidents.snooze(incident, request.user, until, now), text)


def _wake(request: HttpRequest, incident: Incident, now: datetime) -> str | None:
    return _said(request, incidents.wake(incident, request.user, now), _("It is told again."))


def _comment(request: HttpRequest) -> str:
    form = CommentForm(request.POST)
    return " ".join(form.cleaned_data["comment"].split()) if form.is_valid() else ""


def _said(request: HttpRequest, is_done: bool, text: str | Promise) -> str | None:
    if is_done:
        return str(text)
    messages.warning(request, gettext("It is over by now."))
    return None


ACTS: dict[str, Callable[[HttpRequest, Incident, datetime], str | None]] = {
    "look_after": _look_after,
    "leave": _leave,
    "say": _say,
    "snooze": _snooze,
    "wake": _wake,
}


# --- what is around it -----------------------------------------------------------------------------------------------


def _around(incident: Incident, now: datetime) -> dict[str, Any]:
    """What explains it, what it explains, what is worked on, and how it was before."""
    unclosed = {each.key: each for each in Incident.objects.filter(closed_at=None, opened_at__isnull=False)}
    parts = [each for each in unclosed.values() if each.part_of == incident.key] if not incident.closed_at else []
    windows = [] if incident.closed_at else maintenance.ongoing(now)
    earlier = Incident.objects.filter(key=incident.key, closed_at__isnull=False).exclude(pk=incident.pk)
    return {
        "whole": unclosed.get(incident.part_of) if not incident.closed_at else None,
        "parts": sorted(parts, key=lambda each: (RANK[Severity(each.severity)], each.what))[:MOST_SHOWN],
        "parts_more": max(0, len(parts) - MOST_SHOWN),
        "windows": [each for each in windows if maintenance.covers(each, incident.area_id, incident.component)],
        "history": _history(incident),
        "earlier": [(each, length(each, now)) for each in earlier.order_by("-since")[:5]],
    }


def _history(incident: Incident) -> list[Entry]:
    """The newest first."""
    told = [_of_note(note) for note in incident.notes.select_related("by")]
    told += [_of_alert(alert) for alert in alerts.of_incident(incident)]
    if incident.opened_at:
        told.append(Entry(incident.opened_at, "", gettext("found twice in a row: it is an incident")))
    if incident.closed_at:
        told.append(Entry(incident.closed_at, "", gettext("found no more: it is over")))
    return sorted(told, key=lambda entry: entry.at, reverse=True)[:MOST_SHOWN]


def _of_note(note: IncidentNote) -> Entry:
    what = note.get_kind_display()
    if note.until:
        what = gettext("snoozed it until %(moment)s") % {"moment": local.moment(note.until)}
    return Entry(note.at, str(note.by or ""), what, note.text)


def _of_alert(alert: Alert) -> Entry:
    kind = alert.get_kind_display()
    if alert.told_at:
        return Entry(alert.told_at, str(alert.route), gettext("was told: %(kind)s") % {"kind": kind})
    if alert.attempts:
        told = {"kind": kind, "attempts": alert.attempts}
        return Entry(
            alert.made_at, str(alert.route), gettext("could not be told: %(kind)s (attempts: %(attempts)s)") % told
        )
    return Entry(alert.made_at, str(alert.route), gettext("is to be told: %(kind)s") % {"kind": kind})
