"""A sign of life to somebody outside, who tells when it stays away: a dead man's switch.

An address of healthchecks, Uptime Kuma (push) or the like is called after each look that found nothing critical. When
power, network, database or background jobs are gone, nothing of ours could say so: their silence does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, build_opener

from django.conf import settings

from monitoring.findings import Finding, Severity

logger = logging.getLogger(__name__)
TIMEOUT_S = 5


class _Nowhere(HTTPRedirectHandler):
    """Whoever answers there shall not lead us to what only we can reach."""

    def redirect_request(self, *told: Any) -> None:
        return None


_opener = build_opener(_Nowhere)


def sign_of_life(findings: Iterable[Finding]) -> bool:
    """Whether it was given, and taken. The address is a secret, and stays out of the log."""
    url = settings.DEAD_MANS_SWITCH_URL
    if not url or any(finding.severity is Severity.CRITICAL for finding in findings):
        return False
    try:
        with _opener.open(url, timeout=TIMEOUT_S):  # the settings refuse anything but http
            return True
    except (URLError, OSError, ValueError) as failure:
        logger.warning("the dead man's switch could not be reached: %s", type(failure).__name__)
        return False
