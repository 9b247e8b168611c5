"""How a test that commits leaves its database: as the migrations made it.

Django's own way (`flush`) truncates every table and has each app make its permissions, groups and schedules anew: some
0.4 s a test. Here rows are deleted where there are any, and the tables that were full from the start get their first
rows back where they changed; Django's foreign keys are looked at when all is done. Sequences go on, as with flush.
"""

from __future__ import annotations

from django.apps import apps
from django.db import connection
from django.test import TransactionTestCase

RESTORE = """
CREATE FUNCTION as_migrated.restore(names text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE name text; is_kept boolean; is_other boolean;
BEGIN
    PERFORM set_config('campsite.audit_log', 'migrate', true);
    FOREACH name IN ARRAY names LOOP
        is_kept := to_regclass(format('as_migrated.%I', name)) IS NOT NULL;
        IF is_kept THEN
            EXECUTE format('SELECT EXISTS ((TABLE public.%1$I EXCEPT ALL TABLE as_migrated.%1$I)
                UNION ALL (TABLE as_migrated.%1$I EXCEPT ALL TABLE public.%1$I))', name) INTO is_other;
        ELSE
            EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', name) INTO is_other;
        END IF;
        CONTINUE WHEN NOT is_other;
        EXECUTE format('DELETE FROM public.%I', name);
        IF is_kept THEN
            EXECUTE format('INSERT INTO public.%1$I TABLE as_migrated.%1$I', name);
        END IF;
    END LOOP;
END $$
"""


def tables() -> list[str]:
    """Also those that Django does not manage, and flush leaves: the readings."""
    return sorted({model._meta.db_table for model in apps.get_models(include_auto_created=True)})


def keep() -> None:
    """Once, right after migrating: copies what tables hold from the start, and takes the place of Django's flush."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA as_migrated")
        for name in tables():
            cursor.execute(f'SELECT EXISTS (SELECT FROM "{name}")')
            if cursor.fetchone()[0]:
                cursor.execute(f'CREATE TABLE as_migrated."{name}" AS TABLE "{name}"')
        cursor.execute(RESTORE)

    TransactionTestCase._fixture_teardown = lambda _case: restore()


def restore() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT as_migrated.restore(%s)", [tables()])
