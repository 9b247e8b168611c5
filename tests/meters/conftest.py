"""What real processes run on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.meters.harness import OwnServices, Services


@pytest.fixture(scope="module")
def services(request: pytest.FixtureRequest) -> Iterator[Services]:
    """The run's; or servers of its own for a test that stops them: @with_own_services."""
    services = OwnServices() if getattr(request, "param", "") == "own" else Services()
    try:
        services.start()
        yield services
    finally:
        services.stop()
