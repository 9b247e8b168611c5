"""Staff read Danish, guests their own language: no string may be missing."""

import pytest
from babel.messages.checkers import python_format

from campsite import translations


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_every_string_is_translated(language: str) -> None:
    assert translations.missing(language) == []


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_translations_keep_the_placeholders(language: str) -> None:
    catalogue = translations.read(language)
    for message in catalogue:
        if message.id and message.python_format:
            python_format(catalogue, message)
