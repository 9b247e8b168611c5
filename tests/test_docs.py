"""The documents lead somewhere: links, anchors and pictures exist, every page is found, what is named can be run."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands

ROOT: Path = settings.BASE_DIR
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").rglob("*.md")]
)
STARTS = ("README.md", "docs/README.md")
HISTORY = {"CHANGELOG.md", "docs/review.md"}
"""They tell how it was: what they name may be gone."""
TOPICS = {"campsite/round-trip"}
"""They look like files of ours."""

LINK = re.compile(r"\]\(<?([^)\s>]+)>?[^)]*\)|<(?:img|a|source)\b[^>]*?\b(?:src|href|srcset)=\"([^\"]+)\"")
FENCE = re.compile(r"^( *)(```+).*?^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
OUR_FOLDERS = "bench|bookings|campsite|deploy|docs|locale|meters|monitoring|script|templates|tests"
OUR_PATH = re.compile(rf"`((?:{OUR_FOLDERS})/[\w./-]*\w)(?:::(\w+))?")


@cache
def written(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def links(page: str) -> Iterator[str]:
    """What is linked to, without what stands outside of the repository, and what is only an example."""
    prose = re.sub(r"`[^`\n]+`", "`…`", FENCE.sub("", written(page)))
    for found in LINK.finditer(prose):
        target = found[1] or found[2]
        if not re.match(r"[a-z]+:", target):
            yield target


@cache
def anchors(page: str) -> set[str]:
    """Of its headings, as GitHub makes them, and those that it sets itself."""
    prose = FENCE.sub("", written(page))
    found: dict[str, int] = {}
    slugs = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", prose))
    for heading in re.findall(r"^#{1,6} +(.+?)[ #]*$", prose, re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        slugs.add(f"{slug}-{found[slug]}" if found.get(slug) else slug)
        found[slug] = found.get(slug, 0) + 1
    return slugs


def is_made(path: str) -> bool:
    """Where it is installed: git is told to leave it alone."""
    asked = (path, f"{path}/")  # a folder that is not there is told by its slash
    told = (subprocess.run(["git", "check-ignore", "--quiet", each], cwd=ROOT, timeout=30) for each in asked)
    return any(each.returncode == 0 for each in told)


def target_of(page: str, link: str) -> tuple[str, str]:
    """The path in the repository, and the anchor."""
    path, _, anchor = link.partition("#")
    place = ((ROOT / page).parent / path).resolve() if path else ROOT / page
    return place.relative_to(ROOT).as_posix(), anchor


@pytest.mark.parametrize("page", PAGES)
def test_each_link_leads_to_a_file_and_a_heading_that_exist(page: str) -> None:
    for link in links(page):
        path, anchor = target_of(page, link)
        assert (ROOT / path).exists(), f"{page}: {link}"
        assert not anchor or anchor in anchors(path), f"{page}: {link}"


def test_every_document_and_every_picture_is_found_from_the_first_page() -> None:
    """Whoever reads starts at the README or at the index of docs/; a folder that is linked shows what is in it."""
    seen: set[str] = set()
    ahead = list(STARTS)
    while ahead:
        path = ahead.pop()
        if path in seen:
            continue
        seen.add(path)
        if (ROOT / path).is_dir():
            ahead += [each.relative_to(ROOT).as_posix() for each in (ROOT / path).iterdir() if each.is_file()]
        elif path.endswith(".md") and (ROOT / path).exists():
            ahead += [target_of(path, link)[0] for link in links(path)]
    documents = {each.relative_to(ROOT).as_posix() for each in (ROOT / "docs").rglob("*") if each.is_file()}
    assert documents - seen == set()
    assert {page for page in PAGES if "/" not in page} - seen == set()


@pytest.mark.parametrize("page", sorted(set(PAGES) - HISTORY))
def test_what_a_document_tells_to_run_can_be_run(page: str) -> None:
    text = written(page)
    commands = set(re.findall(r"(?:manage\.py|script/manage) +([a-z]\w+)", text))
    assert commands - set(get_commands()) == set()
    for module in set(re.findall(r"python -m ((?:campsite|bench|tests)[\w.]*)", text)):
        assert find_spec(module), module


@pytest.mark.parametrize("page", sorted(set(PAGES) - HISTORY))
def test_a_file_and_a_test_that_a_document_names_exist(page: str) -> None:
    for path, test in OUR_PATH.findall(written(page)):
        is_there = (ROOT / path).exists() or ((ROOT / page).parent / path).exists()
        assert is_there or path in TOPICS or is_made(path), f"{page}: {path}"
        assert not test or f"def {test}(" in written(path), f"{page}: {test}"
