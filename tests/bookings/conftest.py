"""What each test of bookings begins with."""

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def nobody_tried() -> None:
    """Where tries are counted."""
    cache.clear()
