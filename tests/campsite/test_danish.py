"""Staff read Danish: what a page of theirs says in both languages alike is no word of English that was left.

Of the admin's tables every label is asked for; of all other pages the text as it comes. Names, codes and the few words
that are the same in both languages stand in SAME.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.admin.utils import flatten_fieldsets, label_for_field
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.utils import translation

from campsite.urls import admin
from tests import make
from tests.campsite.test_access import ADDRESSES

SAME = {
    *(
        "chief",
        "admin",
        "administration",
        "api",
        "booking",
        "csv",
        "excel",
        "find",
        "firmware",
        "interview",
        "kwh",
        "model",
    ),
    *("mqtt", "offline", "online", "parquet", "radio", "reception", "scan", "service", "sirvoy", "status", "token"),
    *(
        "type",
        "version",
        "webhook",
        "zigbee",
        "zigbee2mqtt",
        "broker",
        "adresse",
        "rfc3339",
        "ieee",
        "json",
        "esc",
        "browser",
    ),
}
"""Words that both languages share, and names."""
CODE = re.compile(r"[\w.]*[_.\d/:^$]\w*|[A-Z_]+|https?://\S+|…|kW|CEST|CET")
"""What a program reads: settings, topics, units, addresses."""


def english(text: str) -> list[str]:
    """The words of a text that both languages have, but for those that may be the same."""
    words = re.findall(r"[^\s,;()„“”«»‹›·–→←×+|]+", text)
    found = (word.strip(".:?!'\"%").casefold() for word in words if not CODE.fullmatch(word.strip(".:?!'\"%")))
    return [word for word in found if re.search("[a-zæøå]{3}", word) and word not in SAME]


PAGES_OF_THEIR_OWN = {"monitoring.Incident", "monitoring.BackupRun", "monitoring.RestoreDrill", "monitoring.Forgetting"}
"""A row's page shows none of the table's columns."""


# --- the admin's tables ----------------------------------------------------------------------------------------------


@pytest.fixture
def chief(db: None) -> User:
    return make.superuser()


def labels(model: Any, told: Any, request: Any) -> Iterator[str]:
    """All that a table's pages call things, in the language of the moment."""
    row = model() if model._meta.app_label == "django_q" else None  # its pages cannot do without
    yield from (str(model._meta.verbose_name), str(model._meta.verbose_name_plural))
    for name in told.get_list_display(request):
        yield str(label_for_field(name, model, told))
    for _function, _name, description in told.get_actions(request).values():
        yield str(description)
    for each in told.get_list_filter(request):
        if isinstance(each, type):
            yield str(getattr(each, "title", None) or "")
    if model._meta.label in PAGES_OF_THEIR_OWN:
        return
    for title, _options in told.get_fieldsets(request, row):
        yield str(title or "")
    declared = told.form.base_fields | getattr(told, "add_form", told.form).base_fields
    for name in flatten_fieldsets(told.get_fieldsets(request, row)):
        if name in declared:
            yield from (str(declared[name].label or ""), str(declared[name].help_text or ""))
        else:
            yield str(label_for_field(name, model, told))


def test_every_label_of_a_table_is_danish(chief: User, rf: RequestFactory) -> None:
    request = rf.get("/")
    request.user = chief
    left = {}
    for model, told in admin.site._registry.items():
        with translation.override("en"):
            theirs = list(labels(model, told, request))
        with translation.override("da"):
            ours = list(labels(model, told, request))
        alike = [one for one, other in zip(ours, theirs, strict=True) if one == other and english(one)]
        if alike:
            left[model._meta.label] = alike
    assert left == {}, str(left)


# --- all other pages -------------------------------------------------------------------------------------------------

# The runbook is a document in each language (tests/monitoring/test_runbook.py); it quotes Zigbee2MQTT.
PAGES = [
    each
    for each in ADDRESSES
    if each.startswith(("/admin/", "/board/", "/technician/", "/reception/"))
    and not re.search("jsi18n|logout|api|runbook|export", each)
]


class Text(HTMLParser):
    """What a person reads of a page, or is read to him; not what programs and pictures are made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.told: set[str] = set()
        self._unread = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unread += self._is_unread(tag, dict(attrs))
        self.told |= {value for name, value in attrs if name in ("title", "aria-label", "placeholder", "alt") and value}

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "code"):
            self._unread -= 1

    def handle_data(self, data: str) -> None:
        if not self._unread and data.strip():
            self.told.add(" ".join(data.split()))

    def _is_unread(self, tag: str, _attrs: dict[str, str | None]) -> bool:
        return tag in ("script", "style", "code")


ICON = re.compile(r"[a-z]+(_[a-z0-9]+)*")
"""The theme's icons are words of small letters; a text of ours that is one stands in the tables' labels, too."""


@pytest.mark.parametrize("address", PAGES)
def test_a_page_says_nothing_in_english(address: str, chief: User) -> None:
    client = Client()
    client.force_login(chief)
    told = [
        Text(client.get(address, headers={"accept-language": language}).content.decode(errors="replace")).told
        for language in ("en", "da")
    ]
    assert [text for text in sorted(told[0] & told[1]) if not ICON.fullmatch(text) and english(text)] == []
