"""What is known of our packages' vulnerabilities, and what stops a build (.ci/audit.py)."""

import importlib.util
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

PLACE = Path(settings.BASE_DIR) / ".ci" / "audit.py"
TODAY = date(2026, 7, 1)


@pytest.fixture(scope="module")
def audit() -> Any:
    found = importlib.util.spec_from_file_location("audit", PLACE)
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    sys.modules["audit"] = module
    found.loader.exec_module(module)
    return module


def told(*vulnerabilities: dict[str, Any]) -> dict[str, Any]:
    """As pip-audit 2.10 tells it: two packages that were looked at, and one of which nothing is known."""
    django = {"name": "django", "version": "5.2.1", "vulns": list(vulnerabilities)}
    return {
        "dependencies": [django, {"name": "six", "version": "1.17", "vulns": []}, {"name": "a", "skip_reason": "b"}]
    }


KNOWN = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1", "GHSA-x"], "fix_versions": ["5.2.2"]}


def test_a_known_vulnerability_stops_the_build_and_says_what_mends_it(audit):
    code, said = audit.judge(told(KNOWN), [], TODAY)
    assert code == 1
    assert said[0] == "django 5.2.1: PYSEC-2026-1, mended in 5.2.2"


@pytest.mark.parametrize(
    ("name", "until", "stops"), [("CVE-2026-1", "2026-07-01", 0), ("PYSEC-2026-1", "2026-06-30", 1)]
)
def test_one_that_was_accepted_passes_until_its_day(audit, name: str, until: str, stops: int):
    accepted = audit.accepted(["# why", "", f"{name} {until} only on Windows"])
    assert audit.judge(told(KNOWN), accepted, TODAY)[0] == stops


@pytest.mark.parametrize("line", ["CVE-2026-1", "CVE-2026-1 2026-07-01", "CVE-2026-1 some day why"])
def test_none_is_accepted_without_a_day_and_a_reason(audit, line: str):
    with pytest.raises(ValueError, match=r"a number, a day and a reason|fromisoformat"):
        audit.accepted([line])


def test_what_nobody_could_look_up_is_never_called_safe(audit):
    """Neither where nothing answered, nor where the registry knew none of the packages."""
    silent = {"dependencies": [{"name": "django", "skip_reason": "not found on PyPI"}]}
    for nothing in (None, silent):
        code, said = audit.judge(nothing, [], TODAY)
        assert (code, said) == (
            0,
            ["NOT CHECKED for known vulnerabilities: the advisories could not be reached from here."],
        )
    assert "nothing could be learnt of: a" in audit.judge(told(), [], TODAY)[1]


def test_what_is_accepted_now_has_its_day_and_its_reason(audit):
    audit.accepted(audit.ACCEPTED.read_text().splitlines())
