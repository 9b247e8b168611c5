"""What a route reads: the worst first, short enough for those who carry it, and nothing in it acts."""

from datetime import timedelta

import pytest
from django.utils import timezone, translation
from hypothesis import given
from hypothesis import strategies as st

from meters import outbound
from monitoring import messages
from monitoring.models import Alert, AlertRoute, Incident
from tests.sink import Sink

pytestmark = pytest.mark.django_db
HOSTILE = "[free kWh](https://evil.example) <script>alert(1)</script> <@everyone> @here `x` *b*\r\nTo: all\x00\u202e"


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def alert(code: str = "network_open", kind: str = "opened", severity: str = "warning", **facts: object) -> Alert:
    now = timezone.now()
    incident = Incident(pk=7, code=code, severity=severity, facts={"area": "North"} | facts, since=now)
    return Alert(route=AlertRoute(name="on_duty"), incident=incident, kind=kind, made_at=now, due_at=now)


def test_names_act_neither_as_links_nor_as_calls_to_all_nor_as_markup() -> None:
    told = messages.text([alert(area=HOSTILE)]) + messages.title([alert(area=HOSTILE)])
    for sign in ("<", ">", "[", "]", "@", "`", "*", "://", "\r", "\x00", "\u202e"):
        assert sign not in told
    assert "free kWh" in told


@given(st.text(max_size=400))
def test_a_name_is_one_short_line_whatever_it_is(name: str) -> None:
    (told,) = messages.plain({"area": name}).values()
    assert len(told) <= messages.LONGEST_FACT
    assert len(told.splitlines()) <= 1
    assert not set(told) & set("<>[]@`*|~\\")


def test_numbers_stay_numbers() -> None:
    assert messages.plain({"count": 3, "value": None, "share": 0.5}) == {"count": 3, "value": None, "share": 0.5}


def test_the_worst_is_told_first_and_what_is_over_last() -> None:
    text = messages.text(
        [
            alert(kind="closed", area="Over"),
            alert(area="Milder", severity="notice"),
            alert("bridge_offline", severity="critical", area="Worst"),
        ]
    )
    assert text.index("Worst") < text.index("Milder") < text.index("Over: ")


def test_of_many_the_first_ten_are_told_and_how_many_more_there_are() -> None:
    text = messages.text([alert(area=f"Area {number}") for number in range(40)])
    assert text.count("is open for new devices") == 10
    assert text.endswith("… and 30 more")
    assert messages.title([alert(kind="closed"), alert(kind="closed")]) == "2 things are over"


def test_it_leads_to_the_page_on_which_one_says_that_one_looks_after_it(settings) -> None:
    settings.SITE_URL = "https://power.example.com"
    assert "https://power.example.com/admin/monitoring/incident/7/change/" in messages.text([alert()])
    settings.SITE_URL = ""
    assert "/admin/" not in messages.text([alert()])


def test_of_a_text_that_is_too_long_for_who_carries_it_the_beginning_arrives() -> None:
    sink = Sink()
    assert outbound.tell(f"ntfy://127.0.0.1:{sink.port}/on_duty", "A title", "worst first " + "x" * 20_000)
    sink.close()
    (told,) = sink.told
    assert told["message"].startswith("worst first")
    assert len(told["message"]) < 8000


def test_what_a_mail_shows_of_a_hostile_name_is_text() -> None:
    """Apprise makes HTML of it for those who want HTML."""
    sink = Sink()
    assert outbound.tell(f"json://127.0.0.1:{sink.port}/?format=html", "A title", "<b>bold</b> & more")
    sink.close()
    assert "<b>" not in sink.told[0]["message"]


def test_an_address_may_say_otherwise() -> None:
    sink = Sink()
    url = f"ntfy://127.0.0.1:{sink.port}/on_duty?overflow=split"
    assert outbound.tell(url, "A title", "x" * 20_000)
    sink.close()
    assert len(sink.told) > 1


def test_how_it_goes_on_is_told() -> None:
    assert "nobody looks after it yet" in messages.text([alert(kind="again")])
    seen = alert(kind="again")
    seen.incident.seen_at = timezone.now() - timedelta(hours=1)
    assert "it goes on" in messages.text([seen])
    assert "it got worse" in messages.text([alert(kind="worse")])


@pytest.mark.parametrize("status", [301, 302, 307])
def test_who_carries_messages_leads_us_nowhere_else(status: int) -> None:
    sink = Sink()
    sink.status = status
    assert not outbound.tell(f"json://127.0.0.1:{sink.port}/", "A title", "x")
    sink.close()
    assert sink.called == sink.told == []
