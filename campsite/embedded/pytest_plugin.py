"""Gives a test run its own PostgreSQL and Valkey, before Django's settings are read. Loaded by `-p` in pyproject.toml.

Workers of xdist inherit the addresses and start nothing.
"""

import os
import tempfile
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from campsite import translations
from campsite.embedded import services
from campsite.embedded.processes import Failed
from campsite.embedded.state import State


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    os.environ["PRODUCTION"] = "0"  # also for the processes that tests start
    if not (services.given("DATABASE_URL") and services.given("REDIS_URL")):
        stack = ExitStack()
        early_config.add_cleanup(stack.close)
        state = State(Path(tempfile.mkdtemp(prefix="campsite-tests-")))
        stack.callback(state.remove)
        ours = services.for_tests(state)
        stack.callback(ours.stop)
        try:
            ours.start()
        except Failed as failed:
            raise pytest.UsageError(str(failed)) from None
        os.environ.update(ours.environment())
    if "PYTEST_XDIST_WORKER" not in os.environ:
        translations.compile_all()
    return (yield)
