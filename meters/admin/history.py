"""The audit log in words: who changed what, from what to what, and why."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC
from decimal import Decimal
from typing import Any, NamedTuple

from auditlog.models import LogEntry
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import FieldDoesNotExist, PermissionDenied
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import formats, timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.html import format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from meters.admin import bridge
from meters.admin.base import NOTHING, Text, local
from meters.models import Source

PAGE = 50
# What our verbs note beside a table's own columns.
NAMES: dict[str, Text] = {
    "wanted": _("wanted"),
    "tried again": _("tried again"),
    "source": _("wanted by"),
    "reason": _("reason"),
    "from": _("from"),
    "until": _("until"),
    "since": _("since"),
    "ended": _("ended"),
    "request": _("request"),
    "payload": _("asked"),
    "log_in": _("log-in"),
    "asked": _("asked for"),
    "token": _("token of a program"),
    "taken along": _("taken along"),
    "kWh": _("kWh"),
    "import": _("brought in from a file"),
    "replayed": _("replayed, was"),
    "revoked": _("revoked"),
    "told of package": _("told of the package"),
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
CHOICES: dict[str, Any] = {
    "source": Source.choices,
    "request": list(bridge.WORDS.items()),
    "token": [("made", _("made")), ("changed", _("changed")), ("removed", _("removed"))],
    "taken along": [("all", _("all"))],
    "log_in": LOG_INS.items(),
}
WANTED: dict[str, Text] = {"on": _("on"), "off": _("off"), "None": _("nothing")}
ORDER = ["wanted", "source", "reason", "until", "request", "payload"]
EMPTY = ("", "None", None)
# What django-auditlog notes of a new row beside its columns.
LEFT_OUT = re.compile(r"\{\}|\[\]|\w+\.\w+\.None")
TRUTH: dict[str, Text] = {"True": _("yes"), "False": _("no")}
HIDDEN = "•••"
"""What the log has instead of a password."""
OF_GUESTS_TOO = ("stay", "booking", "problemreport")
"""Tables of bookings in which guests do something by themselves, without an account."""


class Change(NamedTuple):
    """`old` None: nothing stood there before, or what did does not matter."""

    title: Text
    old: str | None
    new: str

    def __str__(self) -> str:
        return f"{self.title}: {self.new}" if self.old is None else f"{self.title}: {self.old} → {self.new}"


def withheld(_value: str) -> str:
    """What the log has of a password: that it is another one."""
    return HIDDEN


def who(entry: LogEntry) -> str:
    """Of the staff by name; of others what is known: who wanted it, else that it was nobody of the staff."""
    if entry.actor:
        return str(entry.actor)
    source = str((entry.changes_dict.get("source") or [""])[-1]).rpartition(" ")[2]
    if source == Source.GUEST:
        return gettext("a guest")
    is_of_guests_too = entry.content_type.app_label == "bookings" and entry.content_type.model in OF_GUESTS_TOO
    return gettext("the software, or the guest") if is_of_guests_too else gettext("the software")


def in_words(entry: LogEntry) -> str:
    """Each change as "name: old → new"; where nothing stood before only what stands now."""
    if entry.action == LogEntry.Action.DELETE:
        return gettext("deleted")
    html = '<span class="text-base-500">{}:</span> {}'
    told = ((each.title, each.new if each.old is None else f"{each.old} → {each.new}") for each in changes(entry))
    return format_html_join(" · ", html, told) or NOTHING


def as_text(entry: LogEntry) -> str:
    """The same for a file."""
    if entry.action == LogEntry.Action.DELETE:
        return gettext("deleted")
    return " · ".join(map(str, changes(entry)))


def changes(entry: LogEntry) -> Iterator[Change]:
    told = entry.changes_dict
    for name in sorted(told, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER)):
        field, values = _field(entry, name), told[name]
        title = NAMES.get(name) or getattr(field, "verbose_name", name)
        if isinstance(values, dict):
            yield Change(title, None, _rows(values))
        elif name != "id" and isinstance(values, list | tuple) and len(values) == 2:
            yield from _change(name, title, field, *values)


def _rows(told: dict[str, Any]) -> str:
    """What was added to a choice of several, or taken out of it."""
    sign = "+" if told.get("operation") == "add" else "−"
    return ", ".join(f"{sign}{each}" for each in told.get("objects", ()))


def _change(name: str, title: Text, field: Any, before: Any, after: Any) -> Iterator[Change]:
    if LEFT_OUT.fullmatch(str(after)) or (before in EMPTY and after in EMPTY and name != "wanted"):
        return
    old, new = (_value(name, field, value) for value in (before, after))
    is_news = (before in EMPTY and name != "wanted") or after == HIDDEN
    yield Change(title, None if is_news else old, new)


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
    if value == HIDDEN:
        return gettext("set anew")
    if name == "payload":
        return _asked(str(value))
    if name in CHOICES:  # maybe behind the number of the row: "7 no_power"
        number, _space, code = str(value).rpartition(" ")
        words = dict(CHOICES[name])
        return str(words[value]) if value in words else f"{words.get(code, code)} {number}".rstrip()
    if isinstance(field, ArrayField):
        return _several(field.base_field, str(value))
    words = dict(getattr(field, "choices", None) or TRUTH)
    return str(words[value]) if value in words else _figure(field, str(value))


def _several(field: Any, text: str) -> str:
    """The parts of a list, as it was written down."""
    words = {str(code): str(word) for code, word in field.choices or ()}
    codes = (part.strip(" '\"").rpartition(".")[2] for part in text.strip("[]").split(","))
    return ", ".join(words.get(code.lower(), code) for code in codes)


def _figure(field: Any, text: str) -> str:
    """A number or a time as it is written here; any other text as it is."""
    with suppress(ArithmeticError):
        if isinstance(field, models.DecimalField | models.FloatField):
            return formats.number_format(Decimal(text))
    if type(field) is models.DateField and (day := _parsed(parse_date, text)):
        return formats.date_format(day, "SHORT_DATE_FORMAT")
    moment = _parsed(parse_datetime, text)
    if moment and timezone.is_naive(moment) and isinstance(field, models.DateTimeField):
        moment = moment.replace(tzinfo=UTC)  # as django-auditlog writes it
    return local(moment) if moment and timezone.is_aware(moment) else text


def _asked(payload: str) -> str:
    """What a Zigbee2MQTT was asked, without the braces of JSON."""
    try:
        told = json.loads(payload)
    except ValueError:  # long, and cut off
        return payload
    return bridge.asked_in_words(told) if isinstance(told, dict) else payload


def _parsed(parse: Callable[[str], Any], text: str) -> Any:
    with suppress(ValueError):
        return parse(text)
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
