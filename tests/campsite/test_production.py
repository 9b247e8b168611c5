"""What guests and staff rely on starts with safe settings or not at all; what a caller only claims is not believed."""

import subprocess
import sys
from ipaddress import ip_network

import pytest
from django.conf import settings as ours
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from campsite import middleware, production

SAFE = {
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz-0123456789abcdefghij",
    "ALLOWED_HOSTS": "power.example.com,localhost",
    "SITE_URL": "https://power.example.com",
    "TRUSTED_PROXIES": "172.20.0.0/16",
    "DATABASE_URL": "postgres://u:p@127.0.0.1:1/d",
    "REDIS_URL": "redis://127.0.0.1:1",
}
READ = {
    "SECRET_KEY": SAFE["SECRET_KEY"],
    "DEBUG": False,
    "ALLOWED_HOSTS": ["power.example.com", ".example.com"],
    "CSRF_TRUSTED_ORIGINS": ["https://power.example.com", "https://*.example.com"],
    "SITE_URL": "https://power.example.com",
    "TRUSTED_PROXIES": [ip_network("172.20.0.0/16")],
}


def manage(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    words = (sys.executable, "-W", "error::SyntaxWarning", "manage.py", *words)
    return subprocess.run(words, cwd=ours.BASE_DIR, env=environment, capture_output=True, text=True, timeout=60)


def test_djangos_own_check_of_a_deployment_has_nothing_to_warn_of():
    checked = manage("check", "--deploy", "--fail-level", "WARNING", **SAFE)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.strip() == "System check identified no issues (1 silenced)."


def test_production_is_what_is_not_said_to_be_a_try_out():
    refused = manage("check", **SAFE | {"ALLOWED_HOSTS": "*"})
    assert refused.returncode != 0
    assert "ImproperlyConfigured: ALLOWED_HOSTS holds a wildcard" in refused.stderr


def test_safe_settings_are_not_refused():
    production.check(READ)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("DEBUG", True),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "ab" * 30),
        ("SECRET_KEY", "django-insecure-" + SAFE["SECRET_KEY"]),
        ("ALLOWED_HOSTS", ["power.example.com", "*"]),
        ("CSRF_TRUSTED_ORIGINS", ["http://power.example.com"]),
        ("CSRF_TRUSTED_ORIGINS", ["https://*"]),
        ("SITE_URL", "http://power.example.com"),
        ("TRUSTED_PROXIES", [ip_network("0.0.0.0/0")]),
    ],
)
def test_what_is_only_good_for_trying_out_is_refused_by_name_and_no_secret_is_quoted(setting: str, value: object):
    with pytest.raises(production.ImproperlyConfigured, match=f"^{setting} ") as refused:
        production.check(READ | {setting: value})
    assert str(READ["SECRET_KEY"]) not in str(refused.value)
    assert "ababab" not in str(refused.value)


# --- who says that it was encrypted ----------------------------------------------------------------------------------


@pytest.fixture
def behind_a_proxy(settings):
    settings.TRUSTED_PROXIES = [ip_network("172.20.0.0/16")]
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = True, 3600


@pytest.mark.parametrize(("caller", "is_believed"), [("172.20.0.5", True), ("203.0.113.9", False), ("", False)])
def test_only_our_own_proxy_says_that_a_call_came_encrypted(behind_a_proxy, caller: str, is_believed: bool):
    seen = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request.is_secure())
        return HttpResponse()

    middleware.believed(view)(RequestFactory(REMOTE_ADDR=caller, HTTP_X_FORWARDED_PROTO="https").get("/"))
    assert seen == [is_believed]


def test_who_comes_unencrypted_is_led_to_https_and_one_who_only_claims_it_too(behind_a_proxy):
    for claimed in ({}, {"x-forwarded-proto": "https"}):
        answer = Client(REMOTE_ADDR="203.0.113.9", headers=claimed).get("/stay/find/")
        assert (answer.status_code, answer.headers["Location"]) == (301, "https://testserver/stay/find/")


def test_a_browser_is_told_to_come_by_https_only(behind_a_proxy):
    answer = Client(REMOTE_ADDR="172.20.0.5", headers={"x-forwarded-proto": "https"}).get("/stay/find/")
    assert answer.status_code == 200
    assert answer.headers["Strict-Transport-Security"] == "max-age=3600; includeSubDomains"


@pytest.mark.django_db
def test_machines_beside_us_ask_for_our_health_past_the_proxy(behind_a_proxy):
    assert Client(REMOTE_ADDR="172.20.0.9").get("/health/live").status_code == 200
    assert Client(REMOTE_ADDR="172.20.0.9").get("/metrics").status_code == 404  # there is no token here
