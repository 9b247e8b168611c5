"""The sign of life to somebody outside: given when nothing critical is wrong, and only then."""

from collections.abc import Iterator

import pytest

from monitoring import deadman
from monitoring.findings import Finding, Severity
from tests.sink import Sink

BROKER, OPEN = Finding("broker_away", Severity.CRITICAL), Finding("network_open", Severity.WARNING, "north")


@pytest.fixture
def sink(settings) -> Iterator[Sink]:
    sink = Sink()
    settings.DEAD_MANS_SWITCH_URL = f"http://127.0.0.1:{sink.port}/ping/secret"
    yield sink
    sink.close()


def test_it_is_given_while_nothing_critical_is_wrong(sink: Sink) -> None:
    assert deadman.sign_of_life([])
    assert deadman.sign_of_life([OPEN])
    assert sink.called == ["/ping/secret", "/ping/secret"]


def test_it_is_not_given_where_something_critical_is(sink: Sink) -> None:
    assert not deadman.sign_of_life([OPEN, BROKER])
    assert sink.called == []


def test_nobody_is_called_where_no_address_is_set(settings) -> None:
    settings.DEAD_MANS_SWITCH_URL = ""
    assert not deadman.sign_of_life([])


@pytest.mark.parametrize("status", [404, 500])
def test_who_refuses_or_is_away_stops_nothing_and_the_log_holds_no_secret(
    sink: Sink, status: int, settings, caplog: pytest.LogCaptureFixture
) -> None:
    sink.status = status
    assert not deadman.sign_of_life([])
    settings.DEAD_MANS_SWITCH_URL = "http://127.0.0.1:1/ping/secret"
    assert not deadman.sign_of_life([])
    assert caplog.text.count("could not be reached") == 2
    assert "secret" not in caplog.text


@pytest.mark.parametrize("status", [301, 302, 307])
def test_who_answers_there_leads_us_nowhere_else(sink: Sink, status: int) -> None:
    sink.status = status
    assert not deadman.sign_of_life([])
    assert sink.called == ["/ping/secret"]
