"""Deletes old rows some at a time: nobody waits long for a lock, and what is killed half-way goes on the next time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

AT_ONCE = 2_000
"""Rows of a transaction."""
MOST = 1_000
"""Transactions of one call; the next night goes on."""


def forget(rows: QuerySet[Any], inside: Callable[[], AbstractContextManager[None]] = nullcontext) -> int:
    """Delete these rows and what hangs on them; returns how many of these rows went. Only for who owns their table.

    `inside`: what each transaction does it in.
    """
    gone = 0
    for _ in range(MOST):
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
        with transaction.atomic(), inside():
            _all, by_table = rows.filter(pk__in=keys).delete()
        gone += by_table.get(rows.model._meta.label, 0)
        if len(keys) < AT_ONCE:
            break
    return gone
