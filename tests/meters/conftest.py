"""Services of a file of tests that stops and starts them."""

from collections.abc import Iterator

import pytest

from tests.meters.harness import Services


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    services = Services()
    try:
        services.start()
        yield services
    finally:
        services.stop()
