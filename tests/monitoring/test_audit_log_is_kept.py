"""Nobody changes or removes an entry of the audit log: not by the ORM, not by SQL; only its time does."""

from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from bookings import privacy
from bookings.models import Guest
from monitoring.retention import others
from tests import make

pytestmark = pytest.mark.django_db
REFUSED = "entries of the audit log are kept as they are"


@pytest.fixture
def entry() -> LogEntry:
    return made(make.staff("Anna"))


def made(by: User, days_ago: float = 0) -> LogEntry:
    told = {"changes": {"name": ["A", "B"]}, "timestamp": timezone.now() - timedelta(days=days_ago)}
    return LogEntry.objects.log_create(make.area(), action=LogEntry.Action.UPDATE, actor=by, **told)


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


ATTEMPTS = {
    "save": lambda entry: entry.save(),
    "update": lambda entry: LogEntry.objects.filter(pk=entry.pk).update(changes={}),
    "bulk_update": lambda entry: LogEntry.objects.bulk_update([entry], ["actor"]),
    "delete": lambda entry: entry.delete(),
    "delete many": lambda entry: LogEntry.objects.all().delete(),
    "delete who did it": lambda entry: entry.actor.delete(),
    "delete what kind it is of": lambda entry: entry.content_type.delete(),
    "UPDATE": lambda entry: sql(f"UPDATE auditlog_logentry SET object_repr = '' WHERE id = {entry.pk}"),
    "DELETE": lambda entry: sql(f"DELETE FROM auditlog_logentry WHERE id = {entry.pk}"),
    "TRUNCATE": lambda entry: sql("SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE auditlog_logentry"),
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_an_entry_is_neither_changed_nor_removed(entry, attempt):
    before = LogEntry.objects.values().get(pk=entry.pk)
    with pytest.raises(ProgrammingError, match=REFUSED), transaction.atomic():
        ATTEMPTS[attempt](entry)
    assert LogEntry.objects.values().get(pk=entry.pk) == before


def test_what_forgets_the_old_removes_only_that_and_changes_nothing(entry):
    old = made(entry.actor, days_ago=800)
    assert others.prune_audit(timezone.now() - timedelta(days=730)) == 1
    assert not LogEntry.objects.filter(pk=old.pk).exists()
    with pytest.raises(ProgrammingError, match=REFUSED), transaction.atomic(), others.forgetting():
        LogEntry.objects.filter(pk=entry.pk).update(object_repr="")
    with pytest.raises(ProgrammingError, match=REFUSED), transaction.atomic():  # its leave has ended
        entry.delete()


def test_a_migration_may_rewrite_the_log_and_who_comes_after_it_may_not(entry):
    emit_pre_migrate_signal(0, interactive=False, db="default")
    LogEntry.objects.filter(pk=entry.pk).update(changes_text="rewritten")
    emit_post_migrate_signal(0, interactive=False, db="default")
    with pytest.raises(ProgrammingError, match=REFUSED), transaction.atomic():
        entry.delete()


def test_a_guest_who_is_forgotten_was_never_in_the_log():
    booking = make.booking(is_checked_in=False, is_cancelled=True)
    make.guest(booking, last_name="Qvistgaard")
    privacy.erase(booking, make.staff("Anna"), timezone.now())
    assert not Guest.objects.filter(last_name="Qvistgaard").exists()
    told = LogEntry.objects.filter(object_id=booking.pk, content_type__model="booking").get()
    assert "Qvistgaard" not in f"{told.object_repr} {told.changes}"


def test_an_account_that_did_nothing_can_be_removed():
    make.staff("a slip of the pen").delete()
    assert not User.objects.filter(username="a slip of the pen").exists()
