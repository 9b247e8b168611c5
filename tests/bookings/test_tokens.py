"""Who may send events: made once, two at most, revoked for good."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import pytest
from auditlog.models import LogEntry
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from bookings import tokens
from bookings.models import WebhookToken
from tests import make

pytestmark = pytest.mark.django_db


def test_a_token_is_found_by_its_secret_which_is_not_stored():
    made, secret = tokens.make("Sirvoy", None)
    assert tokens.find(secret) == made
    assert secret not in str(WebhookToken.objects.values().get())


def test_a_wrong_one_is_not_found():
    _made, secret = tokens.make("Sirvoy", None)
    for wrong in ("", secret[:-1], secret + "x", secret.upper(), "\0", "ø" * 5000):
        assert tokens.find(wrong) is None


def test_two_are_valid_at_once_and_no_more():
    secrets = [tokens.make(name, None)[1] for name in ("old", "new")]
    assert all(map(tokens.find, secrets))
    with pytest.raises(tokens.TooMany):
        tokens.make("third", None)


@pytest.mark.django_db(transaction=True)
def test_of_many_made_at_once_two_are_made():
    def make_one(number: int) -> bool:
        try:
            tokens.make(str(number), None)
        except tokens.TooMany:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(make_one, range(8))) == 2


def test_a_revoked_one_is_wrong_and_makes_room():
    now = timezone.now()
    made, secret = tokens.make("old", None)
    tokens.make("new", None)
    assert tokens.revoke(made, None, now)
    assert tokens.find(secret) is None
    assert not tokens.revoke(made, None, now)
    tokens.make("newer", None)


def test_who_made_and_revoked_it_is_in_the_audit_log():
    chief = make.superuser()
    made, _secret = tokens.make("Sirvoy", chief)
    tokens.revoke(made, chief, timezone.now())
    assert [entry.actor for entry in LogEntry.objects.get_for_object(made)] == [chief, chief]


def test_when_sirvoy_called_is_kept_but_not_for_each_of_a_burst(django_assert_num_queries):
    made, secret = tokens.make("Sirvoy", None)
    now = timezone.now()
    tokens.saw_event(made, now)
    tokens.saw_get(made, now)
    seen = tokens.find(secret)
    assert (seen.last_event_at, seen.last_get_at) == (now, now)
    with django_assert_num_queries(0):
        tokens.saw_event(seen, now + timedelta(seconds=5))
        tokens.saw_get(seen, now + timedelta(seconds=5))
    tokens.saw_event(seen, now + timedelta(minutes=1))
    assert tokens.find(secret).last_event_at == now + timedelta(minutes=1)


def printed(*words: str) -> tuple[str, str]:
    """What the command prints, and what it says beside."""
    out, beside = StringIO(), StringIO()
    call_command("sirvoy_token", *words, stdout=out, stderr=beside)
    return out.getvalue().strip(), beside.getvalue()


def test_the_command_prints_the_whole_address_this_once(settings):
    settings.SITE_URL = "https://power.example.com"
    address, beside = printed("Sirvoy")
    assert address.startswith("https://power.example.com/hooks/sirvoy/")
    assert tokens.find(address.split("/")[-2]).name == "Sirvoy"
    assert beside == ""


def test_the_command_takes_another_site():
    address, beside = printed("Sirvoy", "--site", "https://other.example.com/")
    assert address.startswith("https://other.example.com/hooks/sirvoy/")
    assert beside == ""


def test_without_a_site_the_command_says_what_to_set_and_marks_the_place(settings):
    settings.SITE_URL = ""
    address, beside = printed()
    assert address.startswith("https://YOUR-SITE/hooks/sirvoy/")
    assert tokens.find(address.split("/")[-2])
    assert "SITE_URL=" in beside


def test_the_command_makes_no_third():
    for _ in range(2):
        printed()
    with pytest.raises(CommandError):
        printed()
