"""The pages that are shown when something fails: in the reader's language, with a way on, without a database."""

import logging
import sys

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError
from django.forms.models import BaseModelForm
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import include, path, reverse

from campsite.errors import WithoutAddresses
from campsite.redaction import WithoutSecrets, redact
from monitoring.backup import sealing
from tests import make


def broken(request: HttpRequest) -> HttpResponse:
    raise OperationalError("the database is away")


urlpatterns = [
    path("board/broken/", broken),
    path("api/v1/broken/", broken),
    path("", include("campsite.urls")),
]
handler500 = "campsite.errors.failed"


def page(answer: HttpResponse, status: int) -> str:
    assert answer.status_code == status
    html = answer.content.decode()
    assert f'href="{reverse("board")}"' in html
    return html


def client(language: str = "en") -> Client:
    return Client(headers={"accept-language": language}, raise_request_exception=False)


def test_what_is_not_there_leads_to_the_board():
    assert "There is nothing here" in page(client().get("/nothing/"), 404)


@pytest.mark.django_db
def test_what_one_may_not_do_tells_who_one_is_and_whom_to_ask():
    browser = client()
    browser.force_login(make.staff("Anna"))
    html = page(browser.get(reverse("admin:auth_user_changelist")), 403)
    assert "<b>Anna</b>" in html
    assert "ask the manager" in html


@pytest.mark.django_db
def test_a_form_that_is_too_old_says_what_to_do():
    browser = Client(enforce_csrf_checks=True, headers={"accept-language": "en"})
    html = page(browser.post(reverse("admin:login"), {"username": "x", "password": "y"}), 403)
    assert "The page was too old" in html


@override_settings(ROOT_URLCONF="tests.campsite.test_errors")
def test_a_fault_of_ours_is_told_without_the_database():
    """pytest-django refuses each query here: the test has no database."""
    html = page(client().get("/board/broken/"), 500)
    assert "The fault is ours" in html


@override_settings(ROOT_URLCONF="tests.campsite.test_errors")
def test_a_fault_of_ours_is_told_to_machines_in_their_own_shape():
    answer = client().get("/api/v1/broken/")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "error")


def test_a_developers_page_shows_no_secret_of_backups(settings):
    identity, _recipient = sealing.new_key()
    settings.BACKUP_TARGETS, settings.BACKUP_IDENTITY = {"nas": "sftp://nas:s3cr3t@host/folder"}, identity
    shown = WithoutAddresses().get_safe_settings()
    assert "s3cr3t" not in str(shown["BACKUP_TARGETS"])
    assert identity not in str(shown["BACKUP_IDENTITY"])
    assert redact(f"no key: {identity}.") == "no key: AGE-SECRET-KEY-…."


@pytest.mark.django_db
def test_a_form_sent_twice_at_once_is_saved_once_and_the_second_is_led_to_it(monkeypatch: pytest.MonkeyPatch):
    """Both were checked before either was saved."""
    monkeypatch.setattr(BaseModelForm, "validate_unique", lambda form: None)
    browser = Client(headers={"accept-language": "en"})
    browser.force_login(make.superuser())
    add = reverse("admin:auth_group_add")
    first, second = (browser.post(add, {"name": "Cooks"}, follow=True) for _sent in range(2))
    assert Group.objects.filter(name="Cooks").count() == 1
    assert "at the same moment" not in first.content.decode()
    assert second.redirect_chain == [(reverse("admin:auth_group_changelist"), 302)]
    assert "The same was saved at the same moment" in second.content.decode()


@pytest.mark.parametrize("sign", ["\n", "\r", "\x1b", "\x85", "\u2028", "\u202e", "\0"])
def test_an_event_is_one_line_of_the_log_whatever_name_stands_in_it(sign: str):
    told = ("meters", logging.WARNING, "x.py", 1, "%s is offline", (f"101{sign}2026-01-01 ERROR all is lost",), None)
    line = WithoutSecrets("{levelname} {message}", style="{").format(logging.LogRecord(*told))
    assert line == f"WARNING 101‹{ord(sign):x}›2026-01-01 ERROR all is lost is offline"


def test_a_traceback_keeps_its_lines():
    try:
        broken(HttpRequest())
    except OperationalError:
        told = ("meters", logging.ERROR, "x.py", 1, "it failed", (), sys.exc_info())
    assert "it failed\nTraceback (most recent call last):\n" in WithoutSecrets().format(logging.LogRecord(*told))


@pytest.mark.django_db(transaction=True)
def test_a_list_of_the_admin_that_is_asked_for_what_no_column_holds_shows_all_and_there_is_no_such_row() -> None:
    browser = Client()
    browser.force_login(make.superuser())
    for asked in ("area/?name=%00", "device/?phases={", "device/?phases__in=%00", "area/?wifi_channels__in={"):
        answer = browser.get(f"/admin/meters/{asked}")
        assert (answer.status_code, answer.headers["Location"]) == (302, f"/admin/meters/{asked.split('?')[0]}?e=1")
        assert browser.get(answer.headers["Location"]).status_code == 200
    assert browser.get("/admin/meters/workerstate/a%00/change/").status_code == 404
