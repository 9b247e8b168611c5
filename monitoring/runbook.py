"""The runbook as a page for staff: what to do, step by step, about each kind of incident. The only module that uses
markdown_it.

Its text is docs/runbook.md, which is read in the repository as well; it changes only with a deployment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from django.utils.translation import get_language
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

from monitoring.components import OF, Component

NEEDS = ("monitoring.view_incident",)
FILES = {"en": "docs/runbook.md", "da": "docs/runbook.da.md"}


class Paragraph(NamedTuple):
    """`anchor`: the code of a finding, or what a heading of its own is called."""

    anchor: str
    title: str
    html: SafeString


@require_safe
@admin.site.admin_view
@permission_required(NEEDS, raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    about, *paragraphs = read(file())
    context = {
        **admin.site.each_context(request),
        "title": about.title,
        "about": about,
        "contents": _by_part(paragraphs),
        "paragraphs": paragraphs,
    }
    return TemplateResponse(request, "admin/monitoring/runbook.html", context)


def file() -> str:
    """In the reader's language; else in the site's, as all words for staff are; else in English."""
    return next(FILES[each] for each in (get_language() or "", settings.LANGUAGE_CODE, "en") if each in FILES)


def place(code: str) -> str:
    """Where the paragraph stands, for those who have the repository before them."""
    return f"{file()}#{code}"


@cache
def read(path: str) -> list[Paragraph]:
    """What stands above all, then a paragraph for each finding, then the rest."""
    markdown = MarkdownIt("commonmark", {"html": False})
    tokens = markdown.parse((settings.BASE_DIR / path).read_text(encoding="utf-8"))
    return [_paragraph(markdown, part) for part in _parts(tokens)]


def _parts(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """From each heading up to the next one."""
    starts = [index for index, token in enumerate(tokens) if token.type == "heading_open"]
    for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True):
        yield tokens[start:end]


def _paragraph(markdown: MarkdownIt, part: Sequence[Token]) -> Paragraph:
    """Headed by the code of a finding, it has its title on a line of its own below; else it is headed by its title."""
    name, body = part[1].content, part[3:]
    if name in OF:
        return Paragraph(name, body[1].content.strip("*"), _html(markdown, body[3:]))
    return Paragraph(slugify(name), name, _html(markdown, body))


def _html(markdown: MarkdownIt, body: Sequence[Token]) -> SafeString:
    written: str = markdown.renderer.render(body, markdown.options, {})
    return mark_safe(written)  # noqa: S308  (a file of ours, and HTML in it would be text)


def _by_part(paragraphs: Sequence[Paragraph]) -> list[tuple[str, list[Paragraph]]]:
    """The table of contents: by the part of the site that the findings are of, in the order of the text."""
    found: dict[str, list[Paragraph]] = {}
    for each in paragraphs:
        found.setdefault(OF.get(each.anchor, ""), []).append(each)
    return [(str(Component(part).label) if part else "", listed) for part, listed in found.items()]
