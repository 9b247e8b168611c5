"""Staff read Danish, guests their own language: no string may be missing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.checkers import python_format

from campsite import translations

MARKS = {"_", "gettext", "ngettext", "gettext_lazy", "ngettext_lazy", "pgettext"}


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_every_string_is_translated(language: str) -> None:
    assert translations.missing(language) == []


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_translations_keep_the_placeholders(language: str) -> None:
    catalogue = translations.read(language)
    for message in catalogue:
        if message.id and message.python_format:
            python_format(catalogue, message)


def nested(source: Path) -> Iterator[str]:
    """Calls of gettext inside of f-strings: who extracts the strings reads an f-string's text, and misses some."""
    for formatted in ast.walk(ast.parse(source.read_text())):
        if isinstance(formatted, ast.JoinedStr):
            for each in ast.walk(formatted):
                if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id in MARKS:
                    yield f"{source}:{each.lineno}"


def test_no_string_is_marked_where_it_is_not_seen() -> None:
    """It would be read in English by whoever is woken at night."""
    sources = [source for app in ("meters", "bookings", "monitoring", "campsite") for source in Path(app).rglob("*.py")]
    assert sources
    assert [found for source in sources for found in nested(source)] == []
