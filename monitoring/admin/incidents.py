"""Incidents: what is wrong, since when, what to do, who looks after it; and how available each part was."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from meters.admin.base import NOTHING, ReadOnlyAdmin, label, local, nowrap
from monitoring import incidents, maintenance, untold
from monitoring.admin import availability
from monitoring.admin import incident as incident_page
from monitoring.findings import RANK, Severity
from monitoring.models import Incident

BY_SEVERITY = Case(*(When(severity=each, then=rank) for each, rank in RANK.items()), default=len(RANK))
"""Worst first."""


class OpenFilter(admin.SimpleListFilter):
    """Open ones unless others are asked for; what another one explains stands on that one's page."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("parts", _("open, with all parts")), ("closed", _("over")), ("all", _("all"))]

    def choices(self, changelist: Any) -> Any:
        query = changelist.get_query_string(remove=["state"])
        yield {"selected": self.value() is None, "query_string": query, "display": gettext("open")}
        yield from list(super().choices(changelist))[1:]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Incident]) -> QuerySet[Incident]:
        if self.value() in ("all", "closed"):
            return queryset.filter(closed_at__isnull=False) if self.value() == "closed" else queryset
        unclosed = Incident.objects.filter(closed_at=None)
        found = queryset.filter(closed_at=None)
        return found if self.value() == "parts" else found.exclude(part_of__in=unclosed.values("key"))


@admin.register(Incident)
class IncidentAdmin(ReadOnlyAdmin):
    list_display = ["how_bad", "told", "began", "lasts", "who"]
    list_display_links = ["told"]
    list_filter = [OpenFilter, "severity", "area", "code"]
    list_select_related = ["seen_by", "area"]
    list_before_template = "admin/monitoring/windows_now.html"
    ordering = [BY_SEVERITY, "since"]
    actions = ["look_after"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        return super().get_queryset(request).filter(opened_at__isnull=False)

    def get_urls(self) -> list[URLPattern]:
        views = {
            "availability/": (self.availability_view, "monitoring_incident_availability"),
            "availability.csv": (self.availability_csv, "monitoring_incident_availability_csv"),
        }
        ours = [path(at, self.admin_site.admin_view(view), name=name) for at, (view, name) in views.items()]
        return [*ours, *super().get_urls()]

    def availability_view(self, request: HttpRequest) -> HttpResponse:
        return availability.page(self, request)

    def availability_csv(self, request: HttpRequest) -> HttpResponse:
        return availability.download(request)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        windows = {"windows": maintenance.ongoing(timezone.now())}
        return super().changelist_view(request, {**(extra_context or {}), **windows})

    def change_view(self, request: HttpRequest, object_id: str, *_: Any, **__: Any) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self.get_queryset(request).select_related("seen_by", "area")
        incident = found.filter(pk=object_id).first() if object_id.isdecimal() else None
        if incident is None:
            raise Http404
        return incident_page.page(self, request, incident)

    def has_look_after_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("monitoring.change_incident")

    @admin.display(description=_("severity"), ordering=BY_SEVERITY)
    def how_bad(self, incident: Incident) -> str:
        if incident.closed_at:
            return label(_("over"), "success")
        severity = Severity(incident.severity)
        return label(severity.label, incident_page.COLOURS[severity])

    @admin.display(description=_("what is wrong"), ordering="code")
    def told(self, incident: Incident) -> str:
        reasons = untold.reasons(incident, (), timezone.now())  # what is worked on stands above the list
        hidden = format_html_join("", ' <span class="text-base-500">· {}</span>', ((each,) for each in reasons))
        return format_html("{}{}", incident.what, hidden)

    @admin.display(description=_("since"), ordering="since")
    def began(self, incident: Incident) -> str:
        return nowrap(local(incident.since))

    @admin.display(description=_("for"))
    def lasts(self, incident: Incident) -> str:
        return nowrap(incident_page.length(incident, timezone.now()))

    @admin.display(description=_("looked after by"), ordering="seen_by")
    def who(self, incident: Incident) -> str:
        return str(incident.seen_by or NOTHING)

    @admin.action(description=_("I look after it"), permissions=["look_after"])
    def look_after(self, request: HttpRequest, chosen: QuerySet[Incident]) -> None:
        now = timezone.now()
        done = sum(incidents.look_after(each, request.user, "", now) for each in chosen)
        text = ngettext("You look after %(count)d incident.", "You look after %(count)d incidents.", done)
        messages.success(request, text % {"count": done})
