"""What docs/security.md says is so: its tests exist, its policies are sent, its secrets are all there."""

import ast
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.test import Client
from django.urls import reverse
from rest_framework.authtoken.models import Token

from campsite.middleware import ADMIN_POLICY
from tests import make
from tests.campsite.test_pages import policy
from tests.test_architecture import APPS, imports, modules

ROOT = Path(settings.BASE_DIR)
DOCUMENT = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", DOCUMENT)))
CALLS_OUT = {"urllib.request", "http.client", "socket", "requests", "httpx", "ftplib", "smtplib", "telnetlib"}
CALLERS = {
    "monitoring/deadman.py",  # DEAD_MANS_SWITCH_URL
    "monitoring/checks/neighbours.py",  # PROBES, WATCHED_CERTIFICATES
    "bookings/mail.py",  # EMAIL_URL
    "bookings/simulation/caller.py",  # script/server's guests, to itself
    "meters/worker.py",  # asks for this machine's name only
}
"""Beside the doors of tests/test_architecture.py: whoever opens a connection, and whose address that is."""


# --- the document -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", sorted({place for place, _test in NAMED}))
def test_each_test_that_the_document_names_is_there(place: str):
    there = {
        node.name
        for node in ast.walk(ast.parse((ROOT / place).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {test for where, test in NAMED if where == place} <= there


def test_each_threat_has_its_test():
    threats = DOCUMENT.partition("## Threats")[2].partition("\n## ")[0].split("\n### ")[1:]
    assert len(threats) >= 9
    for threat in threats:
        assert re.search(r"`tests/[\w/]+\.py::\w+`", threat), threat.partition("\n")[0]


@pytest.mark.django_db
def test_the_policies_are_those_that_are_sent():
    told = [
        dict(part.split(" ", 1) for part in line.split("; "))
        for line in re.findall(r"^    (default.*)", DOCUMENT, re.M)
    ]
    strict = policy(Client().get(reverse("portal-find")))
    assert {name: value.replace(" 'nonce-…'", "") for name, value in told[0].items()} == strict
    assert told[1] == dict(part.split(" ", 1) for part in ADMIN_POLICY.split("; "))


def test_each_secret_of_the_settings_stands_in_the_table_of_how_it_is_changed():
    table = DOCUMENT.partition("## How to change each secret")[2].partition("\n## ")[0]
    told = set(
        re.findall(r"`([A-Z_]+)`", "".join(line.split("|")[1] for line in table.splitlines() if line.count("|") > 3))
    )
    source = (ROOT / "campsite" / "settings.py").read_text()
    secrets = set(re.findall(r'^([A-Z_]+) = [^\n]*\n"""(?:(?!""").)*\b[Aa] secret\b', source, re.M | re.S))
    secrets |= {"SECRET_KEY", *re.findall(r"^(\w+_URL) = env", source, re.M)} - {"SITE_URL"}
    assert len(secrets) > 8
    assert secrets <= told


# --- who has gone ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_who_is_no_longer_active_is_out_at_once_with_session_and_token():
    person = make.superuser("gone")
    browser, program = Client(), Client(headers={"authorization": f"Token {Token.objects.create(user=person).key}"})
    browser.force_login(person)
    asked = [(browser, reverse("board")), (browser, "/admin/"), (program, "/api/v1/areas/")]
    assert [client.get(address).status_code for client, address in asked] == [200, 200, 200]
    User.objects.filter(pk=person.pk).update(is_active=False)
    assert [client.get(address).status_code for client, address in asked] == [302, 302, 401]


@pytest.mark.django_db
def test_a_new_password_ends_every_other_session():
    person, phone = make.superuser("lost"), Client()
    phone.force_login(person)
    assert phone.get(reverse("board")).status_code == 200
    person.set_password("another one, and long")
    person.save()
    assert phone.get(reverse("board")).status_code == 302


# --- what goes out, what comes in ------------------------------------------------------------------------------------


def test_no_table_holds_an_address_that_is_called():
    """So nobody who may only use the site chooses where it calls."""
    for model in (model for name in APPS for model in apps.get_app_config(name).get_models()):
        for field in model._meta.get_fields():
            assert not isinstance(field, models.URLField | models.GenericIPAddressField), field
            named = f"{model.__name__}.{field.name}"
            assert not re.search(r"[._](url|uri|host|endpoint)$", named) or named == "WorkerState.host", field


def test_whoever_calls_out_is_known():
    found = {path for path, tree in modules(*APPS) if imports(tree) & CALLS_OUT}
    assert found <= CALLERS


def test_there_is_one_upload():
    fields = {"FileField", "ImageField", "FilePathField", "MultiPartParser", "FileUploadParser", "FILES"}
    takes = {
        path
        for path, tree in modules(*APPS, "campsite")
        if fields & {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    }
    assert takes == {"bookings/admin/csv_import.py"}
