"""An attack on staff's log-ins is told; a forgotten password is not. What is kept of both is forgotten."""

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.utils import timezone

from monitoring.checks import logins
from monitoring.retention import others

pytestmark = pytest.mark.django_db


def tried(times: int, ago: timedelta = timedelta(minutes=5)) -> None:
    rows = AccessFailureLog.objects.bulk_create(
        [AccessFailureLog(username=f"name {n % 2}", ip_address=f"192.0.2.{n % 3}") for n in range(times)]
    )
    AccessFailureLog.objects.filter(pk__in=[row.pk for row in rows]).update(attempt_time=timezone.now() - ago)


def test_many_wrong_tries_within_an_hour_are_told(django_assert_num_queries: Any) -> None:
    tried(logins.MANY)
    with django_assert_num_queries(1):
        (found,) = logins.attacked(timezone.now())
    assert (found.code, dict(found.facts)) == ("logins_attacked", {"tries": 20, "names": 2, "addresses": 3})
    assert found.since is not None


def test_a_forgotten_password_and_an_attack_that_is_over_are_not() -> None:
    tried(5)
    tried(logins.MANY, timedelta(hours=2))
    assert list(logins.attacked(timezone.now())) == []


def test_who_logged_in_is_forgotten_in_time() -> None:
    before = timezone.now() - timedelta(days=90)
    tried(3, timedelta(days=91))
    tried(2)
    for row in (
        AccessLog.objects.create(username="mette"),
        AccessAttempt.objects.create(username="mette", failures_since_start=1),
    ):
        type(row).objects.update(attempt_time=before - timedelta(days=9))
    assert others.oldest_try() == before - timedelta(days=9)
    assert others.prune_tries(before) == 5
    assert AccessFailureLog.objects.count() == 2
