"""Backups: what lies where, how each was made, and the button that asks for one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from meters.admin.base import NOTHING, ReadOnlyAdmin, label, local, nowrap
from monitoring.backup import asking, kept, runs, targets
from monitoring.checks.backup import OVERDUE
from monitoring.models import BackupCopy, BackupRun, Origin

REFRESH_S = 5
SILENT = timedelta(minutes=5)
"""Without a sign of life for so long one that is under way has probably been killed."""
ASKS = "monitoring.add_backuprun"
VARIANTS = {"done": "success", "incomplete": "warning", "failed": "danger", "running": "info", "waiting": ""}


@admin.register(BackupRun)
class BackupRunAdmin(ReadOnlyAdmin):
    list_display = ["begun", "outcome", "where", "size", "took", "made_by"]
    list_filter = ["status", "origin", "started_at"]
    list_select_related = ["by"]
    list_before_template = "admin/monitoring/backups_now.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[BackupRun]:
        return super().get_queryset(request).defer("manifest").prefetch_related("copies")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.ask_view))
        return [path("make/", view, name="monitoring_backuprun_make"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        now, running = timezone.now(), _running()
        is_silent = running is not None and now - running.heartbeat > SILENT
        context = {
            "is_set": runs.is_set(),
            "places": _places(now),
            "running": running,
            "is_silent": is_silent,
            "is_followed": running is not None and not is_silent,
            "may_ask": runs.is_set() and request.user.has_perm(ASKS),
            "now": now,
        }
        return _again(super().changelist_view(request, (extra_context or {}) | context), request, running)

    def change_view(self, request: HttpRequest, object_id: str, *_: Any, **__: Any) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = BackupRun.objects.select_related("by").prefetch_related("copies")
        run = found.filter(pk=object_id).first() if object_id.isdecimal() else None
        if run is None:
            raise Http404
        is_running = run.status == BackupRun.Status.RUNNING
        told = {
            "title": str(self.opts.verbose_name).capitalize(),
            "run": run,
            "colour": VARIANTS[run.status],
            "copies": [(copy, VARIANTS[copy.status]) for copy in run.copies.all()],
            "manifest": run.manifest or {},
            "made_by": self.made_by(run),
            "took": _length(run.duration),
            "is_silent": is_running and timezone.now() - run.heartbeat > SILENT,
            "opts": self.opts,
        }
        page = admin.site.each_context(request) | told
        answer = TemplateResponse(request, "admin/monitoring/backup.html", page)
        return _again(answer, request, run if is_running else None)

    def ask_view(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm(ASKS):
            raise PermissionDenied
        if runs.is_set():
            asking.ask(request.user)
            messages.success(request, gettext("A backup is made as soon as a background job is free. It shows here."))
        return HttpResponseRedirect(reverse("admin:monitoring_backuprun_changelist"))

    @admin.display(description=_("begun"), ordering="started_at")
    def begun(self, run: BackupRun) -> str:
        return nowrap(local(run.started_at))

    @admin.display(description=_("status"), ordering="status")
    def outcome(self, run: BackupRun) -> str:
        return label(run.get_status_display(), VARIANTS[run.status], run.error)

    @admin.display(description=_("targets"))
    def where(self, run: BackupRun) -> str:
        """Grey: it was there, and its time had passed."""
        copies = list(run.copies.all())
        words = ((label(copy.target, _variant(copy), copy.error),) for copy in copies)
        return format_html_join(" ", "{}", words) if copies else NOTHING

    @admin.display(description=_("size"), ordering="bytes")
    def size(self, run: BackupRun) -> str:
        return nowrap(filesizeformat(run.bytes))

    @admin.display(description=_("took"))
    def took(self, run: BackupRun) -> str:
        return nowrap(_length(run.duration))

    @admin.display(description=_("made"), ordering="origin")
    def made_by(self, run: BackupRun) -> str:
        return str(run.by) if run.origin == Origin.PERSON and run.by else run.get_origin_display()


def _variant(copy: BackupCopy) -> str:
    is_gone = copy.status == BackupCopy.Status.DONE and copy.pruned_at is not None
    return "" if is_gone else VARIANTS[copy.status]


def _running() -> BackupRun | None:
    running = BackupRun.objects.filter(status=BackupRun.Status.RUNNING).defer("manifest")
    return running.prefetch_related("copies").first()


def _places(now: datetime) -> list[dict[str, Any]]:
    """Each target with what lies there."""
    where = {target.name: target.where for target in targets.all()}
    return [
        {"told": told, "where": where[told.target], "is_late": told.newest is None or now - told.newest > OVERDUE}
        for told in kept.on_targets()
    ]


def _again(answer: HttpResponse, request: HttpRequest, running: BackupRun | None) -> HttpResponse:
    """While one is under way the page looks again by itself."""
    if running is not None:
        answer.headers["Refresh"] = f"{REFRESH_S}; url={request.get_full_path()}"
    return answer


def _length(took: timedelta | None) -> str:
    if took is None:
        return NOTHING
    minutes, seconds = divmod(max(1, round(took.total_seconds())), 60)
    if not minutes:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}
    return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}
