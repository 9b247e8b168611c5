"""Restore drills: whether a backup could be brought back, and a page for each that tells what was found."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from bookings.portal import local as spans
from meters.admin.base import NOTHING, ReadOnlyAdmin, Text, label, local, nowrap
from monitoring.backup import words
from monitoring.backup.manifest import Kind
from monitoring.models import RestoreDrill

Status = RestoreDrill.Status
COLOURS = {Status.RUNNING: "info", Status.DONE: "success", Status.FAILED: "danger"}


class Compared(NamedTuple):
    """A figure in the manifest and in what was brought back, as they are read."""

    what: Text
    told: str
    found: str


@admin.register(RestoreDrill)
class RestoreDrillAdmin(ReadOnlyAdmin):
    list_display = ["began", "outcome", "target", "of_when", "took", "origin", "why"]
    list_display_links = ["began"]
    list_filter = ["status", "target"]
    list_before_template = "admin/monitoring/restore_drills.html"

    def change_view(self, request: HttpRequest, object_id: str, *_: Any, **__: Any) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self.get_queryset(request).select_related("by")
        drill = found.filter(pk=object_id).first() if object_id.isdecimal() else None
        if drill is None:
            raise Http404
        context = {**self.admin_site.each_context(request), "opts": self.opts, **_told(drill)}
        return TemplateResponse(request, "admin/monitoring/restore_drill.html", context)

    @admin.display(description=_("begun"), ordering="started_at")
    def began(self, drill: RestoreDrill) -> str:
        return nowrap(local(drill.started_at))

    @admin.display(description=_("outcome"), ordering="status")
    def outcome(self, drill: RestoreDrill) -> str:
        return label(_word(drill), COLOURS[Status(drill.status)])

    @admin.display(description=_("backup of"), ordering="backup_at")
    def of_when(self, drill: RestoreDrill) -> str:
        return nowrap(local(drill.backup_at))

    @admin.display(description=_("took"))
    def took(self, drill: RestoreDrill) -> str:
        return nowrap(_span(drill)) if drill.finished_at else drill.step or NOTHING

    @admin.display(description=_("what went wrong"))
    def why(self, drill: RestoreDrill) -> str:
        first = drill.error.partition("\n")[0]
        return f"{first[:120]}…" if len(first) > 120 else first or NOTHING


def _told(drill: RestoreDrill) -> dict[str, Any]:
    report = drill.report
    return {
        "title": gettext("Restore drill"),
        "drill": drill,
        "word": _word(drill),
        "colour": COLOURS[Status(drill.status)],
        "length": _span(drill) if drill.finished_at else "",
        "problems": drill.error.splitlines(),
        "parts": [_part(*each) for each in report.get("parts", [])],
        "missing": [(words.KINDS[kind], name, why) for name, kind, why in report.get("missing", [])],
        "ledger": _ledger(report.get("ledger", {})),
        "differing": [Compared(table, *map(_rows, both)) for table, *both in report.get("differing", [])],
        "rows": words.figure(report.get("rows", 0)),
        "steps": report.get("seconds", []),
    }


def _part(name: str, kind: str, size: int, found: str) -> tuple[Text, str, int, str]:
    """There is one database alone, which needs no name."""
    return words.KINDS[kind], "" if kind == Kind.DATABASE else name, size, found


def _ledger(told: dict[str, list[int]]) -> list[Compared]:
    return [Compared(what, words.figure(then), words.figure(found)) for what, then, found in words.ordered(told)]


def _rows(count: int) -> str:
    """Nothing where a table was not there."""
    return NOTHING if count < 0 else words.figure(count)


def _word(drill: RestoreDrill) -> Text:
    """What its status means of the backup."""
    meant = {Status.DONE: _("can be brought back"), Status.FAILED: _("not proven")}
    return meant.get(Status(drill.status), drill.get_status_display())


def _span(drill: RestoreDrill) -> str:
    length = (drill.finished_at or timezone.now()) - drill.started_at
    if length < timedelta(minutes=1):
        return gettext("%d\N{NO-BREAK SPACE}s") % max(1, length.total_seconds())
    return spans.span(length)
