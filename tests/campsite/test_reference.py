"""The reference of the settings is what the code reads: no setting is missing, none is left unexplained."""

import re
from pathlib import Path

import pytest
from django.conf import settings as ours

from campsite import reference

FOUND = reference.settings(reference.SOURCE.read_text(encoding="utf-8"))
A_UNIT = re.compile(r"\b(seconds|minutes|hours|days|years|bytes|number of|tries)\b", re.IGNORECASE)
HOLDS_A_SECRET = re.compile(r"_(KEY|TOKEN|IDENTITY|PASSWORD|SECRET|URL|URLS|TARGETS)$")
NO_SECRET = {"SITE_URL"}


@pytest.mark.parametrize("setting", FOUND, ids=lambda each: each.name)
def test_a_setting_says_what_it_is_and_a_quantity_in_which_unit(setting: reference.Setting) -> None:
    assert setting.told.endswith("."), f"{setting.name} needs a docstring beneath it in campsite/settings.py"
    assert setting.section
    assert not setting.is_quantity or setting.unit or A_UNIT.search(setting.told)


def test_what_holds_a_secret_says_so() -> None:
    assert {each.name for each in FOUND if each.is_secret} == {
        each.name for each in FOUND if HOLDS_A_SECRET.search(each.name) and each.name not in NO_SECRET
    }


def test_every_reading_of_the_environment_is_found() -> None:
    source = reference.SOURCE.read_text(encoding="utf-8")
    read = re.findall(r"""\b(?:env\.\w+|environment\.named)\(\s*"([A-Z0-9_]+)\"""", source)
    assert [each.name for each in FOUND] == read
    assert len(set(read)) == len(read) > 70


def test_the_page_is_current() -> None:
    assert reference.TARGET.read_text(encoding="utf-8") == reference.text(FOUND), "python -m campsite.reference"


def test_a_setting_is_shown_with_its_type_its_default_and_its_words() -> None:
    page = reference.text(
        reference.settings(
            "# --- services ---\n"
            'KEPT_DAYS = env.int("KEPT_DAYS", default=90)\n"""So many days (docs/retention.md)."""\n'
            'KEY = env.str("KEY", default="x" if DEBUG else "")\n"""A secret."""\n'
            'SAFE = env.bool("SAFE", default=not (DEBUG or TESTING))\n"""As production."""\n'
            'WHO = env.list("WHO", default=["a"] if PRODUCTION else [])\n"""Names."""\n'
            'HOSTS = [each for each in env.list("HOSTS", default=["a", "b"])]\n"""Names."""\n'
        )
    )
    assert "## Services\n" in page
    assert "| `KEPT_DAYS` | whole number; `90` days | So many days ([retention.md](retention.md)). |\n" in page
    assert "| `KEY` | text; **secret** | A secret. |\n" in page
    assert "| `SAFE` | yes or no; `1` | As production. |\n" in page
    assert "| `WHO` | list; `a` | Names. |\n" in page
    assert "| `HOSTS` | list; `a`, `b` | Names. |\n" in page


@pytest.mark.parametrize(("name", "path"), [("PYTHON", "script/bootstrap"), ("TWIN_DIR", "tests/conftest.py")])
def test_what_the_scripts_read_is_told(name: str, path: str) -> None:
    assert re.search(rf"\b{name}\b", (Path(ours.BASE_DIR) / path).read_text())
    assert f"`{name}`" in reference.TAIL
