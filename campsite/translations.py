"""Our texts in the languages of staff and guests: `python -m campsite.translations update|compile`.

By Babel, so that nobody needs GNU gettext. Source strings are English and marked in Python and in templates; the
catalogues stand in locale/; compiled files are made at set-up and not kept in git.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "locale"
FOLDERS = ("campsite", "meters", "bookings", "monitoring", "templates")
STAFF = ("da",)
GUESTS = ("de", "nl", "nb", "sv")
LANGUAGES = STAFF + GUESTS
"""Languages with a catalogue; English is the source. Staff's holds every string, the guests' what guests read."""
READ_BY_GUESTS = ("templates/portal", "templates/email", "bookings/portal")
KEYWORDS = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop"), None),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
}


def catalogue_path(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def extracted(language: str = "da") -> Catalog:
    """Every marked string of our code and templates that people of this language may read."""
    catalogue = Catalog(project="campsite", charset="utf-8")
    for path in _sources(READ_BY_GUESTS if language in GUESTS else FOLDERS):
        text = path.read_text()
        if path.suffix in (".html", ".txt"):
            text = re.sub(r"(?m)^[ \t]+", "", templatize(text, origin=str(path)))  # it is read as if it were Python
        for line, message, comments, context in extract(
            "python", io.BytesIO(text.encode()), keywords=KEYWORDS, comment_tags=("Translators:",)
        ):
            catalogue.add(
                message, locations=[(str(path.relative_to(ROOT)), line)], auto_comments=comments, context=context
            )
    return catalogue


def read(language: str) -> Catalog:
    path = catalogue_path(language)
    if not path.exists():
        return Catalog(locale=language, project="campsite", charset="utf-8")
    with path.open("rb") as file:
        return read_po(file, locale=language)


def update() -> None:
    """Bring the catalogues up to the marked strings: new ones come in empty, those no longer used go."""
    for language in LANGUAGES:
        catalogue = read(language)
        marked = extracted(language)
        marked.creation_date = catalogue.creation_date  # else each update would touch each file
        catalogue.update(marked, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        path = catalogue_path(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_po(file, catalogue, sort_output=True, no_location=True, omit_header=False, width=120)


def compile_all() -> None:
    """Make the compiled files that Django reads: each is whole at any moment, others may be reading it."""
    for language in LANGUAGES:
        path = catalogue_path(language).with_suffix(".mo")
        made = path.with_suffix(f".{os.getpid()}")
        with made.open("wb") as file:
            write_mo(file, read(language))
        made.replace(path)


def missing(language: str) -> list[str]:
    """Marked strings that have no translation in this language, or a fuzzy one."""
    have = read(language)
    return [str(m.id) for m in extracted(language) if m.id and not _translated(have, m)]


def _translated(catalogue: Catalog, message: Message) -> bool:
    found = catalogue.get(message.id if isinstance(message.id, str) else message.id[0], message.context)
    if found is None or found.fuzzy or not found.string:
        return False
    return all(found.string) if isinstance(found.string, tuple | list) else True


def _sources(places: Iterable[str]) -> Iterator[Path]:
    for place in places:
        for path in sorted((ROOT / place).rglob("*")) or [ROOT / place]:
            if path.suffix in (".py", ".html", ".txt") and not {"migrations", "static"} & set(path.parts):
                yield path


if __name__ == "__main__":
    {"update": update, "compile": compile_all}[sys.argv[1]]()
