"""What the tests of switching stand in: services and a broker of their own, and a gate before the worker's UPDATEs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from tests.conftest import Broker
from tests.meters.harness import ADVISORY, Services, until

GATE = 77
S = TypeVar("S", bound=Services)

with_own_services = pytest.mark.parametrize("services", ["own"], indirect=True)
"""For a test that stops PostgreSQL or Valkey."""


@contextmanager
def services_and_broker(kind: str, make: type[Services] = Services) -> Iterator[tuple[Services, Broker]]:
    """Both run and leave nothing behind. `kind`: as Broker's."""
    with running(make()) as services, own_broker(kind) as broker:
        yield services, broker


@contextmanager
def running(services: S) -> Iterator[S]:
    try:
        services.start()
        yield services
    finally:
        services.stop()


@contextmanager
def own_broker(kind: str) -> Iterator[Broker]:
    with ExitStack() as stack:
        root = Path(tempfile.mkdtemp(prefix="campsite-broker-"))
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        broker = Broker(kind, root)
        stack.callback(broker.server.state.remove)
        stack.callback(broker.stop)
        yield broker


def let_go_of_everything() -> None:
    """Nothing is wanted any more, and nothing under way: the next test begins afresh."""
    from meters.models import Command, Want

    Want.objects.filter(ended_at=None).update(ended_at=timezone.now())
    Command.objects.filter(finished_at=None).update(status="cancelled", finished_at=timezone.now())


class Gate:
    """Closed until `open`: an UPDATE that comes to it waits, whoever made it may die meanwhile."""

    def __init__(self, keeper: psycopg.Connection[Any]) -> None:
        self._keeper = keeper
        keeper.execute("SELECT pg_advisory_lock(%s)", [GATE])

    def wait(self) -> None:
        """Until the worker stands before it."""
        waiting = f"SELECT {ADVISORY} AND NOT granted"
        until(lambda: self._keeper.execute(waiting, [GATE]).rowcount, "the worker to stand before the gate")

    def open(self) -> None:
        self._keeper.execute("SELECT pg_advisory_unlock(%s)", [GATE])


@contextmanager
def gate(column: str) -> Iterator[Gate]:
    """Holds back every UPDATE that fills this column of a command."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS "
            f"'BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN NEW; END';"
            f"CREATE TRIGGER gate BEFORE UPDATE OF {column} ON meters_command FOR EACH ROW "
            f"WHEN (NEW.{column} IS NOT NULL) EXECUTE FUNCTION wait_at_gate()"
        )
    try:
        with psycopg.connect(**connection.get_connection_params(), autocommit=True) as keeper:
            yield Gate(keeper)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION wait_at_gate CASCADE")
