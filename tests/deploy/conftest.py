"""One installation for all that looks at a running one: its tests are one group, so one worker starts it once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.native import Site


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """Installed and started as compose.yaml says."""
    with Site() as made:
        done = made.install()
        assert done.returncode == 0, done.stdout + done.stderr
        made.fit()
        made.up()
        made.wait_well("web", "caddy")  # for whom nobody waits in compose.yaml; any test may be the first
        yield made
