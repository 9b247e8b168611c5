"""The audit log in words: who changed what, from what to what, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from auditlog.models import LogEntry
from django.core.exceptions import FieldDoesNotExist, PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from meters.admin.base import NOTHING, Text, local
from meters.models import Source

PAGE = 50
# What our verbs note beside a table's own columns.
NAMES: dict[str, Text] = {
    "wanted": _("wanted"),
    "source": _("wanted by"),
    "reason": _("reason"),
    "until": _("until"),
    "since": _("since"),
    "ended": _("ended"),
    "request": _("request"),
    "payload": _("asked"),
    "log_in": _("log-in"),
}
LOG_INS: dict[str, Text] = {
    "second_step_on": _("second step switched on"),
    "second_step_off": _("second step taken away"),
    "new_recovery_codes": _("new recovery codes"),
    "recovery_code_used": _("a recovery code used"),
    "logged_out_everywhere": _("logged out everywhere"),
    "tokens_ended": _("tokens ended"),
    "password_given": _("password set by somebody else"),
    "password_chosen": _("own password chosen"),
    "let_in": _("let in after wrong tries"),
}
CHOICES: dict[str, Any] = {"source": Source.choices, "log_in": LOG_INS.items()}
WANTED: dict[str, Text] = {"on": _("on"), "off": _("off"), "None": _("nothing")}
ORDER = ["wanted", "source", "reason", "until"]
EMPTY = ("", "None", None)
# What django-auditlog notes of a new row beside its columns.
LEFT_OUT = re.compile(r"\{\}|\[\]|\w+\.\w+\.None")
TRUTH: dict[str, Text] = {"True": _("yes"), "False": _("no")}


def who(entry: LogEntry) -> str:
    return str(entry.actor) if entry.actor else gettext("the software")


def in_words(entry: LogEntry) -> str:
    """Each change as "name: old → new"; where nothing stood before only what stands now."""
    if entry.action == LogEntry.Action.DELETE:
        return gettext("deleted")
    html = '<span class="text-base-500">{}:</span> {}'
    return format_html_join(" · ", html, _changes(entry)) or NOTHING


def _changes(entry: LogEntry) -> Iterator[tuple[Text, str]]:
    told = entry.changes_dict
    for name in sorted(told, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER)):
        values = told[name]
        if name == "id" or not isinstance(values, list | tuple) or len(values) != 2:
            continue
        if LEFT_OUT.fullmatch(str(values[1])) or (values[0] in EMPTY and values[1] in EMPTY and name != "wanted"):
            continue
        field = _field(entry, name)
        old, new = (_value(name, field, value) for value in values)
        is_news = values[0] in EMPTY and name != "wanted"
        title = NAMES.get(name) or getattr(field, "verbose_name", name)
        yield title, new if is_news else format_html("{} → {}", old, new)


def _field(entry: LogEntry, name: str) -> Any:
    """The table's column of this name; None for what our verbs note beside the columns."""
    model = entry.content_type.model_class()
    with suppress(FieldDoesNotExist):
        return model._meta.get_field(name) if model else None
    return None


def _value(name: str, field: Any, value: Any) -> str:
    if name == "wanted":
        return str(WANTED.get(value, value))
    if value in EMPTY:
        return NOTHING
    if name in CHOICES:  # maybe behind the number of the row: "7 no_power"
        number, _space, code = str(value).rpartition(" ")
        return f"{dict(CHOICES[name]).get(code, code)} {number}".rstrip()
    words = dict(getattr(field, "choices", None) or TRUTH)
    moment = _moment(str(value))
    return local(moment) if moment else str(words.get(value, value))


def _moment(text: str) -> datetime | None:
    """A time as our verbs note it."""
    with suppress(ValueError):
        moment = parse_datetime(text)
        return moment if moment and timezone.is_aware(moment) else None
    return None


class History(ModelAdmin):
    """The history of a row is what the audit log tells of it."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        entries = LogEntry.objects.get_for_object(row).select_related("actor", "content_type").order_by("-pk")
        page = Paginator(entries, PAGE).get_page(request.GET.get("p", 1))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("History of %(row)s") % {"row": row},
            "opts": self.opts,
            "original": row,
            "rows": [(entry.timestamp, who(entry), in_words(entry)) for entry in page],
            "newer": str(page.previous_page_number()) if page.has_previous() else "",
            "older": str(page.next_page_number()) if page.has_next() else "",
        }
        return TemplateResponse(request, "admin/meters/history.html", context | (extra_context or {}))
