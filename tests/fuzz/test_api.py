"""The API, asked by whoever may and may not, what its own description allows and what it forbids (schemathesis).

It never fails, it answers as its description says, it tells strangers nothing, and who may only read changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import Group, User
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, connection
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.authtoken.models import Token
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bookings.models import Stay
from meters.models import Command
from tests import make
from tests.properties import fewer

pytestmark = pytest.mark.django_db

DESCRIBED = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(public=True))
DESCRIBED.app = get_wsgi_application()
OPERATIONS = {found.ok().label: found.ok() for found in DESCRIBED.get_all_operations()}
CHECKS = [
    *(not_a_server_error, status_code_conformance, content_type_conformance),
    *(response_headers_conformance, response_schema_conformance),
]
READERS = ["nobody", "guest", "machine", "auditor"]
"""None of them may change anything: a stranger, a user who is no staff, staff of no group, a group that only looks."""
WRITERS = ["reception", "technician", "manager"]
PLACES = {"slug": "north", "number": "10/1", "ieee": "0xa4c1380000000001"}


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """Of the test's own transaction: as Django's test client does, while it asks."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def tokens(settings: Any) -> dict[str, str]:
    """The header of each role, on a site with one of each thing."""
    settings.API_CALLS_A_MINUTE = settings.API_WRONG_TOKENS_A_MINUTE = settings.STRANGERS_A_MINUTE = 10**9
    meter = make.switchable("101,2", area=make.acting("North"), ieee=PLACES["ieee"])
    pitch = make.pitch(PLACES["number"])
    make.installed(meter, pitch)
    make.counted(meter, "10", timezone.now())
    stay = make.stay(pitch)
    make.guest(stay.booking)
    make.line(stay, meter, pitch=pitch)
    make.command(make.want(meter))
    told = {role: _token(role) for role in [*READERS[1:], *WRITERS]}
    return {"nobody": ""} | told


def _token(role: str) -> str:
    user = User.objects.create_user(role) if role == "guest" else make.staff(role)
    user.groups.set(Group.objects.filter(name=role))
    return f"Token {Token.objects.create(user=user).key}"


def written() -> dict[str, int]:
    """By table: how many rows this transaction has written so far, those that were taken back included."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables")
        return {table: rows for table, rows in cursor.fetchall() if rows}


def places(case: Any, chance: Random) -> None:
    """Now and then what it is asked about is there, whatever else is wrong."""
    rows = {"id": (Stay if "stays" in case.operation.path else Command).objects.values_list("pk", flat=True).last()}
    for name in set(case.path_parameters or ()) & set(PLACES | rows):
        if chance.random() < 0.7:
            case.path_parameters[name] = (PLACES | rows)[name]


@pytest.mark.parametrize("label", OPERATIONS)
def test_whoever_asks_whatever_is_answered_as_described(tokens: dict[str, str], label: str) -> None:
    operation = OPERATIONS[label]
    cases = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode))

    @fewer(100 if label.endswith("/schema/") else 25)  # which is written anew for each
    @given(case=cases, chance=st.randoms(use_true_random=False))
    def ask(case: Any, chance: Random) -> None:
        places(case, chance)
        for role, token in tokens.items():
            before = written()
            answer = case.call(headers={"Authorization": token} if token else {"Authorization": ""})
            case.validate_response(answer, checks=CHECKS)
            if role in READERS:
                assert written() == before, f"{role} has changed something"
            if role in ("nobody", "guest"):
                assert answer.status_code >= 400, f"{role} was answered"

    ask()
