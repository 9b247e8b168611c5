"""Migrations have the time that they need; nothing else has."""

import pytest
from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
from django.db import connection

pytestmark = pytest.mark.django_db


def timeout() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        return str(cursor.fetchone()[0])


def test_a_migration_of_years_of_hours_is_not_cut_off_and_what_follows_is_held_to_its_time() -> None:
    emit_pre_migrate_signal(0, interactive=False, db="default")
    assert timeout() == "0"
    emit_post_migrate_signal(0, interactive=False, db="default")
    assert timeout() == "1min"
