"""The runbook: the same in both languages, and a page to which each finding leads."""

import re
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from monitoring import runbook, words
from tests import make

ROOT = Path(settings.BASE_DIR)


@pytest.mark.parametrize("path", runbook.FILES.values())
def test_it_has_a_paragraph_for_every_finding_each_with_a_title_of_its_own(path: str) -> None:
    told = re.findall(r"^### (\w+)\n\*\*([^*\n]+)\*\*\n\n\S", (ROOT / path).read_text(), re.MULTILINE)
    assert [code for code, _title in told] == list(words.WORDS)
    assert len({title for _code, title in told}) == len(told)
    assert [(each.anchor, each.title) for each in runbook.read(path)][1:-1] == told


@pytest.mark.parametrize("path", runbook.FILES.values())
def test_what_it_leads_to_is_in_it_and_is_called_by_its_title(path: str) -> None:
    titles = {each.anchor: each.title for each in runbook.read(path)}
    links = re.findall(r"\[([^]]+)\]\(([^)]*)\)", (ROOT / path).read_text())
    assert links
    for text, address in links:
        assert titles[address.removeprefix("#")] == " ".join(text.split())


def test_the_translation_names_the_same_settings_and_commands() -> None:
    english, danish = (runbook.read(path) for path in runbook.FILES.values())
    for one, other in zip(english, danish, strict=True):
        assert _code(one.html) == _code(other.html), one.anchor


def _code(html: str) -> Counter[str]:
    return Counter(re.findall(r"<code>(.*?)</code>", html, re.DOTALL))


def test_no_markup_gets_through_but_markdowns_own(tmp_path: Path) -> None:
    hostile = tmp_path / "runbook.md"
    hostile.write_text("# One\n<script>alert(1)</script>\n\n[x](javascript:alert(1))\n")
    (told,) = runbook.read(str(hostile))
    assert "&lt;script&gt;" in told.html
    assert "<a" not in told.html


def test_it_is_read_once() -> None:
    assert runbook.read(runbook.file()) is runbook.read(runbook.file())


def reader(language: str, group: str = "reception") -> Client:
    client, user = Client(headers={"accept-language": language}), make.staff("a reader")
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    return client


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "heading", "title"),
    [
        ("da", "Driftsvejledning", "En måler høres ikke"),
        ("en", "Runbook", "A meter is not heard"),
        ("nl", "Driftsvejledning", "En måler høres ikke"),
    ],
)
def test_the_page_has_each_paragraph_in_the_readers_language(language: str, heading: str, title: str) -> None:
    """Else in the site's: Danish."""
    html = reader(language).get(reverse("runbook")).content.decode()
    assert f"<h1>{heading}</h1>" in html
    assert f'<li><a href="#meter_silent">{title}</a></li>' in html
    anchors = re.findall(r'<article id="([\w-]+)">', html)
    assert anchors[:-1] == list(words.WORDS)
    assert sorted(re.findall(r'<li><a href="#([\w-]+)">', html)) == sorted(anchors)


@pytest.mark.django_db
def test_what_prometheus_leads_to_stands_on_the_page_as_well() -> None:
    assert '<article id="the-site-itself-is-down">' in reader("en").get(reverse("runbook")).content.decode()


@pytest.mark.django_db
def test_it_is_for_those_who_may_see_incidents_and_only_read() -> None:
    client = Client()
    client.force_login(make.staff())
    assert client.get(reverse("runbook")).status_code == 403
    assert reader("en").post(reverse("runbook")).status_code == 405


@pytest.mark.django_db
def test_it_asks_the_database_only_who_reads(django_assert_num_queries) -> None:
    client = reader("en")
    with django_assert_num_queries(4):
        client.get(reverse("runbook"))


DO = {
    "docs/runbook.md": "add back close correct delete do end exchange find give go hold let look make mend move"
    " open pull press put read renew restart run see send set start stop switch tell wait",
    "docs/runbook.da.md": "afslut bed check find fjern flyt forny få genstart giv gå hold kør lad lav læs luk opret"
    " prøv ret se send sig skab skaf skift skriv slet sluk slå spørg stil stop start sæt tag tilføj tilkald tryk vent",
}
"""What somebody at night can do at once."""
NOTHING = {"docs/runbook.md": "nothing to do", "docs/runbook.da.md": "ikke noget at gøre"}


@pytest.mark.parametrize("path", runbook.FILES.values())
def test_each_paragraph_says_what_it_means_and_what_to_do(path: str) -> None:
    """More than one sentence, and in them an imperative, or that nothing is to be done."""
    asks = re.compile(rf"(?:^|[.:;,–(?] |\b(?:and|then|first|og|så|først) )(?:{DO[path].replace(' ', '|')})\b", re.I)
    for each in runbook.read(path)[1:]:
        text = " ".join(re.sub(r"<pre>.*?</pre>|<[^>]+>", "", each.html, flags=re.DOTALL).split())
        assert len(re.findall(r"[.:;] ", text)) >= 1, f"{each.anchor} is one sentence"
        assert asks.search(text) or NOTHING[path] in text or "manage.py" in text, f"{each.anchor} leaves one alone"
