"""The audit log as staff read it: who did what to what, when. To be read, filtered and taken along; changed by nobody.

Each sees the entries on tables that he may see: who may not see the users does not see here what was done to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from auditlog.models import LogEntry
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import NoReverseMatch, URLPattern, path
from django.utils import timezone, translation
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.utils import parse_date_str

from meters import clock
from meters.admin import history
from meters.admin.base import NOTHING, NeverWritten, Text, label, link, local, nowrap
from meters.files.answers import Format, download
from meters.files.tables import Column, Kind, Row, Table
from meters.people import person

Action = LogEntry.Action
ACTS: dict[int, tuple[Text, str]] = {
    Action.CREATE: (_("made"), "success"),
    Action.UPDATE: (_("changed"), "info"),
    Action.DELETE: (_("removed"), "danger"),
    Action.ACCESS: (_("taken along"), "warning"),
}
COLUMNS = (
    Column("when", _("when"), Kind.LOCAL),
    Column("who", _("who"), Kind.TEXT),
    Column("act", _("kind of act"), Kind.TEXT),
    Column("table", _("table"), Kind.TEXT),
    Column("about", _("about"), Kind.TEXT),
    Column("what", _("what changed"), Kind.TEXT),
    Column("address", _("from the address"), Kind.TEXT),
)
AT_ONCE = 1_000


# --- finding ---------------------------------------------------------------------------------------------------------


class DaysFilter(RangeDateFilter):
    """The campsite's days, both whole."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
        if first := self._day("from"):
            queryset = queryset.filter(timestamp__gte=clock.moment(first))
        if last := self._day("to"):
            queryset = queryset.filter(timestamp__lt=clock.moment(last + timedelta(days=1)))
        return queryset

    def _day(self, end: str) -> date | None:
        told = self.used_parameters.get(f"{self.parameter_name}_{end}")
        day: date | None = parse_date_str(told) if isinstance(told, str) and told else None
        return day if day and 2000 <= day.year < 2100 else None


class WhoFilter(admin.SimpleListFilter):
    title = _("who")
    parameter_name = "who"
    STAFF, OTHERS = "staff", "others"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        acted = User.objects.filter(Exists(LogEntry.objects.filter(actor=OuterRef("pk")))).order_by("username")
        people = [(str(each.pk), str(each)) for each in acted]
        others = gettext("the software and guests")
        return [(self.STAFF, gettext("anybody of the staff")), (self.OTHERS, others), *people]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
        chosen = self.value() or ""
        if chosen in (self.STAFF, self.OTHERS):
            return queryset.filter(actor__isnull=chosen == self.OTHERS)
        return queryset.filter(actor=int(chosen)) if chosen.isdecimal() and len(chosen) < 10 else queryset


class ActFilter(admin.SimpleListFilter):
    title = _("kind of act")
    parameter_name = "act"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(action), capfirst(str(words))) for action, (words, _variant) in ACTS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
        chosen = self.value() or ""
        return queryset.filter(action=int(chosen)) if chosen in map(str, ACTS) else queryset


class TableFilter(admin.SimpleListFilter):
    """Of what there are entries that this person may see."""

    title = _("about")
    parameter_name = "about"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        noted = ContentType.objects.filter(Exists(LogEntry.objects.filter(content_type=OuterRef("pk"))))
        seen = noted.filter(pk__in=visible(request.user))
        return sorted(((str(each.pk), capfirst(each.name)) for each in seen), key=lambda told: told[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
        chosen = self.value() or ""
        return queryset.filter(content_type=int(chosen)) if chosen.isdecimal() and len(chosen) < 10 else queryset


def visible(user: Any) -> list[int]:
    """The tables (ids of their content types) that this person may see."""
    models = (
        each for each in apps.get_models() if user.has_perm(f"{each._meta.app_label}.view_{each._meta.model_name}")
    )
    return [each.pk for each in ContentType.objects.get_for_models(*models, for_concrete_models=False).values()]


# --- the pages -------------------------------------------------------------------------------------------------------


@admin.register(LogEntry)
class AuditLogAdmin(NeverWritten, ModelAdmin):
    """Not even a superuser changes it; the database refuses it, too."""

    list_display = ["at", "who", "act", "row", "what"]
    list_display_links = ["at"]
    list_filter = [("timestamp", DaysFilter), WhoFilter, ActFilter, TableFilter]
    list_filter_submit = True
    list_per_page = 100
    list_select_related = ["actor", "content_type"]
    list_before_template = "admin/meters/audit_log_export.html"
    ordering = ["-pk"]
    search_fields = ["object_repr", "changes", "actor__username", "actor__first_name", "actor__last_name"]
    search_help_text = _("what it was about, what changed, or who did it")
    show_full_result_count = False
    fields = ["at", "who", "address", "act", "row", "what"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[LogEntry]:
        found: QuerySet[LogEntry] = super().get_queryset(request).filter(content_type__in=visible(request.user))
        return found.select_related("actor", "content_type")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.export_view)
        return [path("export/", view, name="auditlog_logentry_export"), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """What the list shows, with its filters, as CSV. That it was taken along is noted, too."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self.get_changelist_instance(request).get_queryset(request)
        noted = LogEntry.objects.create(
            content_type=ContentType.objects.get_for_model(LogEntry),
            action=Action.ACCESS,
            changes={"taken along": ["", request.GET.urlencode()[:500] or "all"]},
            actor=person(request.user),
        )
        before = rows(found.filter(pk__lt=noted.pk), translation.get_language())
        return download(Table(f"audit-log-{timezone.localdate()}", COLUMNS, before), Format.CSV)

    @admin.display(description=_("when"), ordering="pk")
    def at(self, entry: LogEntry) -> str:
        return nowrap(local(entry.timestamp))

    @admin.display(description=_("who"))
    def who(self, entry: LogEntry) -> str:
        return history.who(entry)

    @admin.display(description=_("from the address"))
    def address(self, entry: LogEntry) -> str:
        return str(entry.remote_addr or NOTHING)

    @admin.display(description=_("kind of act"))
    def act(self, entry: LogEntry) -> str:
        return label(*ACTS[entry.action])

    @admin.display(description=_("about"))
    def row(self, entry: LogEntry) -> str:
        """What it was about, with the way there."""
        kind, text = entry.content_type, about(entry)
        try:
            is_there = entry.object_pk and entry.action != Action.DELETE
            return link(f"{kind.app_label}_{kind.model}", entry.object_pk, text) if is_there else text
        except NoReverseMatch:
            return text

    @admin.display(description=_("what changed"))
    def what(self, entry: LogEntry) -> str:
        return format_html("<div>{}</div>", history.in_words(entry))  # one piece, also where columns lie side by side


def about(entry: LogEntry) -> str:
    return f"{entry.content_type.name} {entry.object_repr}".strip()


def rows(found: QuerySet[LogEntry], language: str | None) -> Iterator[Row]:
    """The newest first, some at a time; in this language, whoever goes on reading them."""
    reached = None
    while True:
        page = found.order_by("-pk") if reached is None else found.filter(pk__lt=reached).order_by("-pk")
        with translation.override(language):
            told = [(entry.pk, _row(entry)) for entry in page[:AT_ONCE]]
        yield from (row for _pk, row in told)
        if len(told) < AT_ONCE:
            return
        reached = told[-1][0]


def _row(entry: LogEntry) -> Row:
    words, _variant = ACTS[entry.action]
    return (
        timezone.localtime(entry.timestamp).replace(tzinfo=None),
        *(history.who(entry), str(words), entry.content_type.name, entry.object_repr),
        *(history.as_text(entry), entry.remote_addr),
    )
