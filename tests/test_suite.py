"""What the suite itself relies on."""

import os

import pytest


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="nothing is spread over workers in this run")
@pytest.mark.xdist_group("together")
def test_what_belongs_together_runs_on_one_worker(request: pytest.FixtureRequest) -> None:
    """pytest-xdist 3.8 with pytest 9.2 forgets groups, and says nothing: each test then starts its browser or radio."""
    assert request.node.nodeid.endswith("@together")
