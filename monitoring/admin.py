"""Incidents: what is wrong, since when, what to do, who looks after it. Alerts: who is told, and was told what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import Case, Q, QuerySet, When
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from bookings.portal import local as portal_words
from meters.admin.base import NOTHING, ReadOnlyAdmin, label, local, nowrap
from monitoring import alerts, incidents
from monitoring.findings import RANK, Severity
from monitoring.models import Alert, AlertRoute, Incident

BY_SEVERITY = Case(*(When(severity=each, then=rank) for each, rank in RANK.items()), default=len(RANK))
"""Worst first."""
COLOURS = {Severity.CRITICAL: "danger", Severity.WARNING: "warning", Severity.NOTICE: "info"}


class OpenFilter(admin.SimpleListFilter):
    """Open ones unless others are asked for."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("closed", _("over")), ("all", _("all"))]

    def choices(self, changelist: Any) -> Any:
        query = changelist.get_query_string(remove=["state"])
        yield {"selected": self.value() is None, "query_string": query, "display": gettext("open")}
        yield from list(super().choices(changelist))[1:]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Incident]) -> QuerySet[Incident]:
        if self.value() == "all":
            return queryset
        return queryset.filter(closed_at__isnull=self.value() != "closed")


@admin.register(Incident)
class IncidentAdmin(ReadOnlyAdmin):
    list_display = ["how_bad", "told", "began", "lasts", "who"]
    list_display_links = ["told"]
    list_filter = [OpenFilter, "severity", "code"]
    list_select_related = ["seen_by"]
    ordering = [BY_SEVERITY, "since"]
    fields = ["how_bad", "told", "to_do", "began", "lasts", "who", "comment"]
    readonly_fields = fields
    actions = ["look_after"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        return super().get_queryset(request).filter(Q(opened_at__isnull=False))

    def has_look_after_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("monitoring.change_incident")

    @admin.display(description=_("severity"), ordering=BY_SEVERITY)
    def how_bad(self, incident: Incident) -> str:
        if incident.closed_at:
            return label(_("over"), "success")
        severity = Severity(incident.severity)
        return label(severity.label, COLOURS[severity])

    @admin.display(description=_("what is wrong"), ordering="code")
    def told(self, incident: Incident) -> str:
        return incident.what

    @admin.display(description=_("what to do"))
    def to_do(self, incident: Incident) -> str:
        return incident.todo

    @admin.display(description=_("since"), ordering="since")
    def began(self, incident: Incident) -> str:
        return nowrap(local(incident.since))

    @admin.display(description=_("for"))
    def lasts(self, incident: Incident) -> str:
        return nowrap(portal_words.span(max((incident.closed_at or timezone.now()) - incident.since, timedelta())))

    @admin.display(description=_("looked after by"), ordering="seen_by")
    def who(self, incident: Incident) -> str:
        return str(incident.seen_by or NOTHING)

    @admin.action(description=_("I look after it"), permissions=["look_after"])
    def look_after(self, request: HttpRequest, chosen: QuerySet[Incident]) -> None:
        now = timezone.now()
        done = sum(incidents.look_after(each, request.user, each.comment, now) for each in chosen)
        text = ngettext("You look after %(count)d incident.", "You look after %(count)d incidents.", done)
        messages.success(request, text % {"count": done})


@admin.register(AlertRoute)
class AlertRouteAdmin(ModelAdmin):
    list_display = ["name", "is_active", "severity", "language", "hours", "repeat_after_min"]
    actions = ["try_out"]

    @admin.display(description=_("at which times"))
    def hours(self, route: AlertRoute) -> str:
        if route.from_time is None or route.to_time is None:
            return gettext("always")
        return f"{route.from_time:%H:%M}–{route.to_time:%H:%M}"

    @admin.action(description=_("Test: tell it something now"), permissions=["change"])
    def try_out(self, request: HttpRequest, chosen: QuerySet[AlertRoute]) -> None:
        for route in chosen:
            if alerts.test(route):
                messages.success(request, gettext("%(route)s was told. See whether it arrived.") % {"route": route})
            else:
                text = gettext("%(route)s could not be told. Look at its address in ALERT_URLS.")
                messages.error(request, text % {"route": route})


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ["made", "route", "kind", "told_of", "told", "attempts"]
    list_filter = ["route", "kind"]
    list_select_related = ["route", "incident"]
    fields = ["made", "route", "kind", "told_of", "told", "attempts"]

    @admin.display(description=_("made"), ordering="made_at")
    def made(self, alert: Alert) -> str:
        return nowrap(local(alert.made_at))

    @admin.display(description=_("incident"))
    def told_of(self, alert: Alert) -> str:
        return alert.incident.what

    @admin.display(description=_("told"), ordering="told_at")
    def told(self, alert: Alert) -> str:
        return local(alert.told_at)
