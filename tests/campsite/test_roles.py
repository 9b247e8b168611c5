"""The table of roles.py against the site: each page and act, asked by one of each group; and what the audit log tells.

The views are called as the site calls them, through the middleware that tells the audit log who it is, but for what
test_access.py asks the whole site: the log-in, and the mark against forms of other sites.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.messages.storage import default_storage
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.db.models import Model
from django.http import Http404, HttpRequest
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse
from django.utils import translation

from bookings.reception import verbs
from campsite import groups, menu
from campsite.middleware import Audit
from campsite.urls import admin
from meters.admin import history
from meters.admin.bridge import OF_AREA
from meters.models import Area
from meters.technician.device_pages import VERBS
from monitoring.admin.incident import ACTS as OF_INCIDENT
from tests import make
from tests.campsite import everything, roles
from tests.campsite.roles import ACTS, TABLES, Act
from tests.campsite.test_access import ADDRESSES, DJANGOS_OWN, OF_ALL_STAFF, PUBLIC

pytestmark = pytest.mark.django_db
WRITES = ("INSERT", "UPDATE", "DELETE")
NOT_OF_THE_SITE = ("auditlog_logentry", "django_admin_log", "django_session", "SAVEPOINT")
EVERY_ACT = [act for acts in ACTS.values() for act in acts]
MODELS = {f"{model._meta.app_label}.{model.__name__}": model for model in admin.site._registry}


class Site:
    """One of everything, and one of each group who asks."""

    def __init__(self, settings: Any) -> None:
        self.told = everything.site(settings)

    def word(self, text: Any) -> Any:
        """What a word of the table stands for here."""
        if isinstance(text, list):
            return [self.word(each) for each in text]
        found = self.told.get(text, text) if isinstance(text, str) else text
        return found.pk if isinstance(found, Model) else found

    def address(self, at: str) -> str:
        """The name of an address, ?what it asks, and what stands in it."""
        name, *words = at.split()
        name, _mark, query = name.partition("?")
        asked = {
            key: self.word(value) for key, _is, value in (part.partition("=") for part in query.split("&") if part)
        }
        return reverse(name, args=[self.word(word) for word in words]) + (f"?{urlencode(asked)}" if asked else "")

    def words(self, told: dict[str, Any]) -> dict[str, Any]:
        return {key: self.word(value) for key, value in told.items()}

    def row(self, label: str) -> Model | None:
        """One of this table's rows."""
        named = self.told.get(MODELS[label]._meta.model_name or "")
        found = [named, *self.told.values()] if isinstance(named, MODELS[label]) else self.told.values()
        return next((each for each in found if isinstance(each, MODELS[label])), MODELS[label]._base_manager.first())


class Answer(NamedTuple):
    """What came of asking; `changed`: what was written; `entries`: what the audit log has of this person."""

    status: int
    response: Any
    said: list[str]
    changed: list[str]
    entries: list[LogEntry]


def somebody(group: str) -> User:
    user = make.staff(f"one of {group}")
    user.groups.add(Group.objects.get(name=group))
    return User.objects.get(pk=user.pk)


def ask(
    user: User, address: str, sent: dict[str, Any] | None = None, *, is_json: bool = False, first: str = ""
) -> Answer:
    """Whatever it does is taken back afterwards."""
    request: Any = made(address, sent, is_json)
    request.user, request.session = user, SessionStore()
    request._dont_enforce_csrf_checks = True
    request._messages = default_storage(request)
    request.resolver_match = match = resolve(request.path)
    status, response = 0, None
    with translation.override("en"), transaction.atomic():
        if first:
            everything.FIRST[first]()
        last = LogEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        with CaptureQueriesContext(connection) as queries:
            try:
                response = Audit(lambda asked: match.func(asked, *match.args, **match.kwargs))(request)
                status = response.status_code
            except PermissionDenied:
                status = 403
            except Http404:
                status = 404
        entries = list(LogEntry.objects.filter(pk__gt=last, actor=user))
        transaction.set_rollback(True)
    wrote = [each["sql"] for each in queries.captured_queries if each["sql"].startswith(WRITES)]
    changed = [sql for sql in wrote if not any(name in sql for name in NOT_OF_THE_SITE)]
    return Answer(status, response, [str(each) for each in request._messages], changed, entries)


def made(address: str, sent: dict[str, Any] | None, is_json: bool) -> HttpRequest:
    factory = RequestFactory()
    if sent is None:
        return factory.get(address)
    if is_json:
        return factory.post(address, json.dumps(sent), content_type="application/json")
    return factory.post(address, sent)


@pytest.fixture
def site(settings: Any) -> Site:
    return Site(settings)


# --- the table is whole ----------------------------------------------------------------------------------------------


def route(address: str) -> str:
    return str(resolve(address.partition("?")[0]).route)


def guarded() -> Iterator[str]:
    """The addresses that are of some staff only."""
    for address in ADDRESSES:
        is_of_guests = address.startswith(("/p/", "/stay/", "/hooks/", "/metrics"))
        if not is_of_guests and address not in PUBLIC and not OF_ALL_STAFF.fullmatch(address):
            yield address


def test_each_address_has_its_line(site):
    told = {route(site.address(act.at)) for act in EVERY_ACT}
    lists = {f"/admin/{model._meta.app_label}/{model._meta.model_name}/" for model in admin.site._registry}
    own = {address for each in lists for address in (each, f"{each}add/")}
    missing = {each for each in guarded() if each not in own and not DJANGOS_OWN.fullmatch(each)}
    assert {each for each in missing if route(each) not in told} == ALIKE


ALIKE = {"/admin/autocomplete/", "/admin/auth/user/1/password/"}
"""Guarded by the permission to see or change the row that they are of; tested in test_groups.py."""


def test_each_table_of_the_admin_has_its_line():
    assert set(TABLES) == set(MODELS)


def test_each_word_that_an_address_takes_has_its_line():
    words = {
        "reception_stay": set(verbs.OF_STAY),
        "reception_verb": set(verbs.OF_BOOKING),
        "reception_data": {"readings", "ledger"},
        "technician_act": set(VERBS),
        "admin:meters_area_ask": set(OF_AREA),
        "admin:meters_area_control": set(Area.Control.values),
        "admin:meters_meter_switch": {"on", "off"},
    }
    for name, due in words.items():
        told = {act.at.split()[-1] for act in EVERY_ACT if act.at.split()[0].partition("?")[0] == name}
        assert told == due, name
    told = {act.sent["act"] for act in EVERY_ACT if act.sent and "act" in act.sent}
    assert told == set(OF_INCIDENT)


def test_each_action_of_the_admins_lists_has_its_line():
    told = {(act.at.split()[0], act.sent["action"]) for act in EVERY_ACT if act.sent and "action" in act.sent}
    due = set()
    for model, model_admin in admin.site._registry.items():
        for _function, name, _words in model_admin._get_base_actions():
            due.add((f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist", name))
    assert {(at, name) for at, name in due if name != "delete_selected"} == told


def test_the_document_shows_the_table_as_it_is():
    text = roles.DOCUMENT.read_text()
    assert text == roles.document(text), "python -m tests.campsite.roles"


# --- who may ---------------------------------------------------------------------------------------------------------


def sent(site: Site, act: Act) -> dict[str, Any] | None:
    return act.sent if act.sent is None else site.words(act.sent)


@pytest.mark.parametrize("group", groups.GROUPS)
def test_a_page_is_open_and_an_act_is_done_for_those_who_may_and_for_nobody_else(site, group):
    user, wrong = somebody(group), []
    letter = next(letter for letter, name in roles.GROUPS.items() if name == group)
    for act in EVERY_ACT:
        answer = ask(user, site.address(act.at), sent(site, act), is_json=act.is_json, first=act.first)
        may = letter in act.may
        if not (is_done(answer, act) if may else is_refused(answer, act)):
            wrong.append(f"{act.what} ({act.at}): {may=}, {answer.status}, {answer.said}, {answer.changed[:1]}")
    assert not wrong, "\n".join(wrong)


def is_done(answer: Answer, act: Act) -> bool:
    """A page is shown; what is kept has changed something; what is only asked has not."""
    changes = bool(answer.changed or answer.entries)
    return answer.status in (200, 202, 302) and changes == act.is_kept


def is_refused(answer: Answer, act: Act) -> bool:
    """A list takes no action that it does not offer, and says so in its own way."""
    is_of_a_list = act.sent is not None and "action" in act.sent
    return not answer.changed and not answer.entries and (answer.status in (401, 403) or is_of_a_list)


# --- who may see, add, change and remove -----------------------------------------------------------------------------


def filled(answer: Answer) -> dict[str, Any]:
    """A form of the admin as it is shown, to be sent back."""
    context = getattr(answer.response, "context_data", None) or {}
    if "adminform" not in context:
        return {}
    forms = [context["adminform"].form]
    forms += [form for each in context["inline_admin_formsets"] for form in each.formset.forms]
    told: dict[str, Any] = {}
    for form in [*forms, *(each.formset.management_form for each in context["inline_admin_formsets"])]:
        for bound in form:
            widget, value = bound.field.widget, bound.value()
            told |= shown(widget, bound.html_name, value)
    return {name: value for name, value in told.items() if value is not None and value is not False}


def shown(widget: Any, name: str, value: Any) -> dict[str, Any]:
    if hasattr(widget, "decompress"):
        values = value if isinstance(value, list) else widget.decompress(value)
        return {f"{name}_{number}": each for number, each in enumerate(values)}
    return {name: value}


@pytest.mark.parametrize("group", groups.GROUPS)
def test_a_table_is_seen_added_to_changed_and_removed_from_by_those_who_may_and_by_nobody_else(site, group):
    user, wrong = somebody(group), []
    letter = next(letter for letter, name in roles.GROUPS.items() if name == group)
    for label, table in TABLES.items():
        due = {"see": table.see, "add": table.add, "change": table.change, "remove": table.remove}
        for name, answer in asked_of(site, user, label).items():
            may = letter in due[name.split()[0]]
            if is_so(name, answer) != may and not (may and name in NOT_OFFERED):
                wrong.append(f"{label}, {name}: {answer.status}, {answer.changed[:1]}, {problems(answer)}")
    assert not wrong, "\n".join(wrong)


NOT_OFFERED = {"remove by the list"}
"""Where a table gives it up, for history's sake, nobody may."""


def is_so(name: str, answer: Answer) -> bool:
    return answer.status == 200 if name.startswith("see") else bool(answer.changed)


def problems(answer: Answer) -> Any:
    """What a form that was refused says."""
    context = getattr(answer.response, "context_data", None) or {}
    return context.get("errors") or answer.said


def asked_of(site: Site, user: User, label: str) -> dict[str, Answer]:
    """The table's list, a row, the form of a new one, a change, a removal: opened, and sent as shown."""
    model, row, table = MODELS[label], site.row(label), TABLES[label]
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert row is not None, label
    add, change = reverse(f"{name}_add"), reverse(f"{name}_change", args=[row.pk])
    told = {
        "see the list": ask(user, reverse(f"{name}_changelist")),
        "see a row": ask(user, change),
        "see its history": ask(user, reverse(f"{name}_history", args=[row.pk])),
    }
    return told | {
        "add": ask(user, add, filled(ask(user, add)) | site.words(table.added)),
        "change": ask(user, change, filled(told["see a row"]) | site.words(table.changed)),
        "remove": ask(user, reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}),
        "remove by the list": ask(
            user,
            reverse(f"{name}_changelist"),
            {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"},
        ),
    }


# --- the menu --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", groups.GROUPS)
def test_the_menu_leads_each_to_all_that_he_may_open_and_nowhere_else(site, group):
    user, request = somebody(group), made("/admin/", None, is_json=False)
    request.user = user
    shown = {item["link"] for section in menu.navigation(request) for item in section["items"]}
    assert all(section["items"] for section in menu.navigation(request))
    for _title, lines in menu.MENU:
        for line in lines:
            address = reverse(line.view)
            assert (ask(user, address).status == 200) == (address in shown), address


@pytest.mark.parametrize("group", groups.GROUPS)
def test_the_first_page_leads_nobody_to_a_closed_door(site, group):
    client = make.client_of(group)
    user = User.objects.get(username=group)
    html = client.get(reverse("admin:index")).content.decode()
    shown = set(re.findall(r'href="(/[^"#?]+)', html)) - {
        reverse(line.view) for _title, lines in menu.MENU for line in lines
    }
    closed = {address for address in shown if not address.startswith("/static/") and ask(user, address).status == 403}
    assert shown
    assert not closed


# --- the audit log ---------------------------------------------------------------------------------------------------

UNTOLD = {"technician_exchange_ask", "admin:monitoring_alertroute_changelist"}
"""Questions, which change nothing of what staff set: a meter tells its counter, a route whether it gets through."""


def untranslated(entries: list[LogEntry]) -> set[str]:
    """What the audit log calls by the code's name for it."""
    return {str(told.title) for entry in entries for told in history.changes(entry) if isinstance(told.title, str)}


def test_the_audit_log_tells_in_words_who_did_each_act(site):
    chief, wrong, unnamed = make.superuser(), [], set()
    for act in EVERY_ACT:
        answer = ask(chief, site.address(act.at), sent(site, act), is_json=act.is_json, first=act.first)
        if not is_done(answer, act) or (act.is_kept and not answer.entries and act.at not in UNTOLD):
            wrong.append(f"{act.what} ({act.at}): {answer.status}, {answer.said}, {answer.changed[:1]}")
        unnamed |= untranslated(answer.entries)
    assert not wrong, "\n".join(wrong)
    assert not unnamed, ", ".join(sorted(unnamed))


def test_the_audit_log_tells_who_added_changed_and_removed_each_row(site):
    chief, wrong = make.superuser(), []
    for label, table in TABLES.items():
        for name, answer in asked_of(site, chief, label).items():
            has_form = {"add": table.add, "change": table.change, "remove": table.remove}.get(name)
            is_silent = bool(answer.changed) and not answer.entries
            if is_silent or (has_form and not answer.changed):
                wrong.append(f"{label}, {name}: {answer.status}, {answer.changed[:1]}, {problems(answer)}")
    assert not wrong, "\n".join(wrong)
