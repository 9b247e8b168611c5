"""docs/truth.md names tests that exist, and leaves out no value that is pushed, answered or written into a file."""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone, translation
from rest_framework import serializers

from bookings import api as stays
from bookings import exports, links, stay_exports
from bookings.models import PortalLink
from bookings.portal import pulse
from meters import exports as measured
from meters import live
from meters.api import commands, errors
from meters.api import serializers as meters
from monitoring import metrics
from tests import make

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "truth.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = TEXT.split(f"\n## {heading}")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def told(heading: str) -> set[str]:
    """What stands in backticks in the first column."""
    return {name for row in rows(heading) for name in re.findall(r"`([^`]+)`", row[0])}


def paths(value: Any, place: str = "") -> Iterator[str]:
    """The keys of nested objects, dotted; of a list those of its first element."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = value[0]
    if not isinstance(value, dict):
        yield place
        return
    for name, each in value.items():
        yield from paths(each, f"{place}.{name}".lstrip("."))


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert named - there == set()


@pytest.mark.parametrize("heading", re.findall(r"(?m)^## (.*)$", TEXT)[2:])
def test_every_row_names_its_proof(heading: str) -> None:
    assert rows(heading)
    assert [row[0] for row in rows(heading) if "`test_" not in row[-1]] == []


def test_the_limits_are_those_of_the_code() -> None:
    for name, seconds, _what in rows("How long a claim lasts"):
        module, constant = name.strip("`").rsplit(".", 1)
        value = getattr(importlib.import_module(module), constant)
        assert float(seconds) == getattr(value, "total_seconds", lambda value=value: float(value))(), name


@pytest.mark.django_db
def test_every_value_that_the_boards_are_told_is_in_the_table() -> None:
    meter = make.switchable("101")
    make.command(make.want(meter), order=make_order())
    make.meter("repeater", area=meter.device.area, kind="repeater")
    from meters.commands import stop

    stop.press(None, "because")
    state = live.snapshot()
    assert set(paths(state)) - {"type"} | {"switching.stop"} == told("What the boards are told")


def make_order() -> Any:
    from meters.models import Order

    return Order.objects.create(state=True, created_at=timezone.now())


@pytest.mark.django_db
def test_every_value_that_a_guests_page_is_told_is_in_the_table() -> None:
    stay = make.stay(make.pitch())
    make.line(stay, make.switchable())
    links.make(stay, None)
    mark = links.mark(PortalLink.objects.get())
    assert set(paths(pulse.of_marks([mark], timezone.now())[mark])) == told("The guest's page")


def test_every_field_of_the_api_is_in_the_table() -> None:
    found = {
        f"{name.removesuffix('Serializer')}.{field}"
        for module in (meters, commands, stays)
        for name, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, serializers.BaseSerializer)
        and each.__module__ not in (errors.__name__, "rest_framework.serializers")
        for field in each().get_fields()
    }
    assert found == told("The API")


@pytest.mark.django_db
def test_every_column_of_the_files_is_in_the_table() -> None:
    today = timezone.localdate()
    with translation.override("en"):
        found = {column for kind in exports.Kind for column in exports.table(kind, today, today).columns}
    assert found == told("Files for the accounts")


def test_every_column_of_what_is_taken_along_is_in_the_table() -> None:
    tables = (measured.READINGS, measured.HOURS, measured.DAYS, stay_exports.READINGS, stay_exports.LEDGER)
    assert {column.name for columns in tables for column in columns} == told("Files of what was measured")


@pytest.mark.django_db
def test_every_figure_for_prometheus_is_in_the_table() -> None:
    make.worker()
    page = metrics.told(timezone.now()).decode()
    found = set(re.findall(r"(?m)^# TYPE (campsite_\w+)", page))
    assert found == told("Figures for Prometheus")
