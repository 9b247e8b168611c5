"""What property tests on the database share."""

from hypothesis import HealthCheck, settings


def fewer(by: int) -> settings:
    """So many times fewer examples than those of a pure function: in the suite, and where new ones are explored."""
    slow = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    examples = settings.default.max_examples // by  # type: ignore[union-attr]
    return settings(max_examples=examples, deadline=None, suppress_health_check=slow)
