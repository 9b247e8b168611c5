"""What Sirvoy gets as an answer, and that nothing it sends is lost."""

import http.client
import io
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.conf import settings as settings_now
from django.core.signals import request_finished
from django.db import close_old_connections, connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone
from django.utils.log import configure_logging

from bookings import addresses, afterwards, inbox, tokens
from bookings.models import Booking, WebhookEvent, WebhookToken
from bookings.webhook import SirvoyWebhook
from campsite.bodies import MOST_BYTES
from campsite.errors import Reporter
from campsite.redaction import redact
from tests.bookings import sirvoy
from tests.meters.harness import until

pytestmark = pytest.mark.django_db
EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.json"))
Status = WebhookEvent.Status
WRONG = "/hooks/sirvoy/sirvoy-wrongwrongwrongwrong/"


@pytest.fixture
def path() -> str:
    return tokens.path(tokens.make("Sirvoy", None)[1])


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False, enforce_csrf_checks=True)


def send(client: Client, path: str, body: bytes | dict, content_type: str = "application/json", **more):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(path, raw, content_type=content_type, **more)


# --- answers ---------------------------------------------------------------------------------------------------------


def test_an_event_is_stored_verbatim_and_becomes_a_booking(client, path):
    body = EXAMPLES[0].read_bytes()
    answer = send(client, path, body)
    event = WebhookEvent.objects.get()
    assert (answer.status_code, bytes(event.body), event.size) == (200, body, len(body))
    assert (event.status, event.token) == (Status.APPLIED, WebhookToken.objects.get())
    assert Booking.objects.get().sirvoy_id == event.sirvoy_id


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_every_example_plays_through(client, path, example):
    assert send(client, path, example.read_bytes()).status_code == 200
    assert WebhookEvent.objects.get().status == Status.APPLIED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON",
        b"\xff\xfe\x00",
        b"[" * 500_000,
        b"null",
        b'{"bookingId": {}}',
        b'{"bookingId": 7, "rooms": 7, "guest": [], "arrivalDate": true, "totalAdults": "?", "additionalItems": "x"}',
        b'{"bookingId": "7", "totalAdults": "two", "rooms": [{"RoomName": "\\u0000", "RoomId": -1}]}',
        b'{"bookingId": 7, "arrivalDate": "2026-07-10", "departureDate": "2020-01-01", "generatedAt": "9999-01-01"}',
        b'{"bookingId": 7, "guest": {"firstName": "\\ud83c\\udfd5 <script>alert(1)</script>", "lastName": "\\ud800"}}',
    ],
)
def test_bad_bodies_are_answered_200_and_kept(client, path, body):
    assert send(client, path, body).status_code == 200
    event = WebhookEvent.objects.get()
    assert bytes(event.body) == body
    assert event.status == Status.APPLIED or event.reason
    assert b"7" not in body or event.status == Status.APPLIED


def test_five_hundred_rooms_are_taken(client, path):
    rooms = [sirvoy.room(f"X{number}", id=number + 1) for number in range(500)]
    assert send(client, path, sirvoy.booking(*rooms)).status_code == 200
    assert WebhookEvent.objects.get().status == Status.APPLIED
    assert Booking.objects.get().stays.count() == 500


def test_a_body_of_10_mb_is_kept_truncated_answered_200_and_told(client, path, settings):
    body = b'{"bookingId": 48, "x": "' + b"y" * 10_000_000 + b'"}'
    assert send(client, path, body).status_code == 200
    event = WebhookEvent.objects.get()
    assert (event.size, len(event.body)) == (len(body), settings.SIRVOY_BODY_LIMIT)
    assert (event.is_truncated, event.status, event.sirvoy_id) == (True, Status.FAILED, 48)
    assert "larger" in event.reason


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_the_type_of_the_content_does_not_matter(client, path, content_type):
    body = EXAMPLES[0].read_bytes()
    assert send(client, path, body, content_type).status_code == 200
    assert bytes(WebhookEvent.objects.get().body) == body


def test_what_sirvoy_accepts_or_where_the_address_ends_does_not_matter(client, path):
    assert send(client, path, sirvoy.booking(), headers={"accept": "text/html"}).status_code == 200
    assert send(client, path + "?format=xml", sirvoy.booking()).status_code == 200
    assert send(client, path.rstrip("/"), sirvoy.booking()).status_code == 200
    assert WebhookEvent.objects.count() == 3


def test_get_and_head_are_answered_200_and_noted(client, path):
    before = timezone.now()
    assert client.get(path).status_code == client.head(path).status_code == 200
    token = WebhookToken.objects.get()
    assert token.last_get_at >= before
    assert (token.last_event_at, WebhookEvent.objects.count()) == (None, 0)


def test_an_event_is_noted_at_its_address(client, path):
    before = timezone.now()
    send(client, path, b"x")
    assert WebhookToken.objects.get().last_event_at >= before


def test_only_what_cannot_be_stored_is_a_500(client, path, caplog):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE bookings_webhookevent ADD CONSTRAINT no_room CHECK (size < 8)")
    assert send(client, path, b"short").status_code == 200
    assert send(client, path, b"Secretia").status_code == 500
    assert "IntegrityError" in caplog.text
    assert "Secretia" not in caplog.text
    assert b"Secretia".hex() not in caplog.text


# --- afterwards ------------------------------------------------------------------------------------------------------


def answered(path: str, body: dict) -> HttpResponse:
    """As it goes out to Sirvoy; the server has not closed it yet."""
    request = RequestFactory().post(path, json.dumps(body), content_type="application/json")
    return SirvoyWebhook.as_view()(request, path.split("/")[-2])


def gone_out(answer: HttpResponse) -> None:
    """The server closes it. The connection, which is the test's, stays."""
    request_finished.disconnect(close_old_connections)
    answer.close()
    request_finished.connect(close_old_connections)


def statuses() -> list[str]:
    return list(WebhookEvent.objects.order_by("pk").values_list("status", flat=True))


def test_an_event_is_worked_on_when_it_has_been_answered(path):
    answer = answered(path, sirvoy.booking())
    assert (answer.status_code, answer.content, statuses()) == (200, b"OK", [Status.RECEIVED])
    gone_out(answer)
    assert statuses() == [Status.APPLIED]


def test_an_event_whose_caller_hung_up_is_worked_on_with_the_next_one(client, path):
    answered(path, sirvoy.booking(number=1))
    send(client, path, sirvoy.booking(number=2))
    assert statuses() == [Status.APPLIED] * 2


def test_what_comes_while_too_many_wait_is_left_to_the_sweep(path, monkeypatch):
    monkeypatch.setattr(afterwards, "MOST_WAITING", 1)
    answers = [answered(path, sirvoy.booking(number=number)) for number in (1, 2)]
    for answer in answers:
        gone_out(answer)
    assert statuses() == [Status.APPLIED, Status.RECEIVED]
    assert inbox.sweep(timezone.now() + timedelta(minutes=1)) == 1
    assert statuses() == [Status.APPLIED] * 2


@pytest.mark.django_db(transaction=True)
def test_of_many_threads_one_works_and_none_waits_for_it_or_is_forgotten(path):
    """They are released together; however they interleave, all is worked on when the last has gone."""
    answers = [answered(path, sirvoy.booking(sirvoy.room(), number=number)) for number in range(1, 21)]
    together = threading.Barrier(len(answers))

    def close(answer: HttpResponse) -> None:
        together.wait(20)
        answer.close()
        connection.close()

    with ThreadPoolExecutor(len(answers)) as pool:
        list(pool.map(close, answers))
    assert statuses() == [Status.APPLIED] * 20
    assert set(WebhookEvent.objects.values_list("attempts", flat=True)) == {1}


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_a_wrong_token_is_answered_404_and_nothing_is_stored(client, path):
    for wrong in (WRONG, path[:-2] + "/", path + "x/"):
        assert send(client, wrong, b"{}").status_code == client.get(wrong).status_code == 404
    assert not WebhookEvent.objects.exists()


def test_a_revoked_token_is_a_wrong_one(client, path):
    tokens.revoke(WebhookToken.objects.get(), None, timezone.now())
    assert send(client, path, b"{}").status_code == 404


def test_wrong_tokens_are_throttled_by_address_and_right_ones_never(client, path, settings):
    settings.SIRVOY_WRONG_TOKENS_A_MINUTE = 3
    answers = [client.get(WRONG).status_code for _ in range(5)]
    assert answers == [404, 404, 404, 429, 429]
    assert client.get(WRONG, REMOTE_ADDR="10.9.9.9").status_code == 404
    assert {send(client, path, b"{}").status_code for _ in range(10)} == {200}


def test_of_ipv6_a_subscribers_whole_network_is_one_address(client, settings):
    settings.SIRVOY_WRONG_TOKENS_A_MINUTE = 1
    assert client.get(WRONG, REMOTE_ADDR="2001:db8::1").status_code == 404
    assert client.get(WRONG, REMOTE_ADDR="2001:db8::2").status_code == 429
    assert client.get(WRONG, REMOTE_ADDR="2001:db8:0:1::1").status_code == 404


def test_only_allowed_addresses_may_send(client, path, settings):
    settings.SIRVOY_ALLOWED_NETWORKS = [ip_network("52.18.11.99"), ip_network("2a05:d018:e34:5300::/56")]
    for allowed in ("52.18.11.99", "::ffff:52.18.11.99", "2a05:d018:e34:53ff::1"):
        assert send(client, path, b"{}", REMOTE_ADDR=allowed).status_code == 200
    for other in ("127.0.0.1", "2a05:d018:e34:5400::1", ""):
        assert send(client, path, b"{}", REMOTE_ADDR=other).status_code == 404
    assert send(client, path, b"{}", HTTP_X_FORWARDED_FOR="52.18.11.99").status_code == 404


@pytest.mark.parametrize(
    ("remote", "forwarded", "expected"),
    [
        ("8.8.8.8", "1.1.1.1", "8.8.8.8"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", "6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
        ("10.0.0.1", "1.1.1.1:5123", "1.1.1.1"),
        ("10.0.0.1", "[2001:db8::7]:443", "2001:db8::7"),
        ("10.0.0.1", "unknown", "None"),
        ("10.0.0.1", "1.1.1.1, unknown", "None"),
        ("", "1.1.1.1", "None"),
    ],
)
def test_the_callers_address_is_the_nearest_that_is_no_proxy_of_ours(settings, remote, forwarded, expected):
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]
    assert str(addresses.of_client({"REMOTE_ADDR": remote, "HTTP_X_FORWARDED_FOR": forwarded})) == expected


# --- logs ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def logged(settings):
    """What our handler writes with our configuration, whoever logs."""
    written = io.StringIO()
    configured = {"stderr": {**settings.LOGGING["handlers"]["stderr"], "stream": written}}
    before = {
        logger: logger.handlers[:]
        for logger in map(logging.getLogger, ("", "django", "django.server", "uvicorn", "uvicorn.access"))
    }
    configure_logging("logging.config.dictConfig", settings.LOGGING | {"handlers": configured})
    yield written
    for logger, handlers in before.items():
        logger.handlers = handlers


def test_no_token_is_in_what_is_logged_of_answers(client, path, logged, settings, monkeypatch):
    settings.SIRVOY_WRONG_TOKENS_A_MINUTE = 1
    secret = path.split("/")[-2]
    slip = path.replace("/hooks", "/hook")
    answers = [client.get(each).status_code for each in (path[:-2] + "/", WRONG, path + "more/", slip)]
    assert answers == [404, 429, 404, 404]
    settings.SIRVOY_ALLOWED_NETWORKS = [ip_network("9.9.9.9")]
    assert client.get(path).status_code == 404
    settings.SIRVOY_ALLOWED_NETWORKS = "nonsense"
    assert client.get(path).status_code == 500
    text = logged.getvalue()
    assert all(word in text for word in ("Not Found", "Too Many Requests", "Internal Server Error", "Traceback"))
    assert secret[:20] not in text
    assert "wrongwrong" not in text


def test_no_token_is_in_the_lines_of_the_developers_server(path, logged):
    logging.getLogger("django.server").info('"POST %s HTTP/1.1" 200', path)
    assert "/hooks/sirvoy/…" in logged.getvalue()


def test_no_token_is_in_a_report_of_an_error(path):
    secret = path.split("/")[-2]
    request = RequestFactory().post(path)
    try:
        raise ValueError(secret)
    except ValueError:
        report = Reporter(request, *sys.exc_info())
    for text in (report.get_traceback_html(), report.get_traceback_text()):
        assert "ValueError" in text
        assert secret not in text


def test_errors_are_reported_without_tokens(settings):
    assert settings.DEFAULT_EXCEPTION_REPORTER == "campsite.errors.Reporter"


def test_no_row_is_quoted_in_a_log():
    assert redact("no\nDETAIL:  Failing row contains (Anna, Müller).\nnext") == "no\nDETAIL: …\nnext"
    assert redact("no\nDETAIL:  Failing row contains (1, Anna\nMüller, x).\nnext") == "no\nDETAIL: …\nnext"
    assert redact("DETAIL:  Key (name)=(Anna) already exists.\nnext") == "DETAIL: …\nnext"


def test_no_row_is_quoted_whose_own_words_look_like_its_end():
    row = "no\nDETAIL:  Failing row contains (1, as I wrote (twice).\nAnna Müller, x)."
    assert redact(row) == "no\nDETAIL: …"
    between = "\n\nThe above exception was the cause:\n\nTraceback (most recent call last):\n  ours.py\n"
    assert redact(f"{row}{between}{row}\n") == f"no\nDETAIL: …{between}no\nDETAIL: …\n"


def test_what_is_no_secret_stays():
    assert redact("GET /board/ and sirvoy-x") == "GET /board/ and sirvoy-x"


# --- a live server ---------------------------------------------------------------------------------------------------


@pytest.fixture
def server(transactional_db, tmp_path):
    """The web process, even without --no-access-log: (port, where its output goes, the process)."""
    port, log = _free_port(), tmp_path / "log"
    words = [sys.executable, "-m", "uvicorn", "campsite.asgi:application", "--lifespan", "off", "--port", str(port)]
    database = os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + connection.settings_dict["NAME"]
    told = {"DATABASE_URL": database, "SECRET_KEY": "x", "DATABASE_POOL": "1", "STATIC_IN_PLACE": "1"}
    with log.open("w") as out:
        process = subprocess.Popen(
            words, cwd=settings_now.BASE_DIR, stdout=out, stderr=subprocess.STDOUT, env=os.environ | told
        )
    try:
        _wait_for(port, process, log)
        yield port, log, process
    finally:
        process.terminate()
        process.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            threading.Event().wait(0.1)
    raise AssertionError(log.read_text())


def send_many(port: int, path: str, bodies: list[bytes]) -> list[int]:
    """From one connection; what was answered."""
    caller, answers = http.client.HTTPConnection("127.0.0.1", port, timeout=120), []
    for body in bodies:
        caller.request("POST", path, body)
        answer = caller.getresponse()
        answer.read()
        answers.append(answer.status)
    return answers


@pytest.mark.services
def test_a_thousand_duplicates_at_once_from_20_connections_are_kept_and_applied_once(server):
    port, log, _process = server
    secret = tokens.make("Sirvoy", None)[1]
    body = json.dumps(sirvoy.booking(sirvoy.room("101"), came=True)).encode()
    with ThreadPoolExecutor(20) as pool:
        fifties = pool.map(lambda _number: send_many(port, tokens.path(secret), [body] * 50), range(20))
        answers = Counter(status for statuses in fifties for status in statuses)
    assert answers == {200: 1000}
    until(lambda: not WebhookEvent.objects.filter(status=Status.RECEIVED).exists(), "all are worked on")
    kept = Counter(WebhookEvent.objects.values_list("status", flat=True))
    assert kept == {Status.APPLIED: 1, Status.DUPLICATE: 999}
    assert Booking.objects.get().stays.count() == 1
    written = log.read_text()
    assert "hooks/sirvoy" not in written
    assert secret not in written


@pytest.mark.services
def test_of_a_body_without_measure_no_more_is_taken_than_the_site_takes(server):
    port, _log, _process = server
    path = tokens.path(tokens.make("Sirvoy", None)[1])
    assert send_many(port, path, [b"x" * (MOST_BYTES + 1_000_000)]) == [200]
    event = WebhookEvent.objects.get()
    assert (event.size, event.is_truncated) == (MOST_BYTES, True)


@pytest.mark.services
def test_what_a_process_that_was_killed_had_answered_is_worked_on_by_the_sweep(server):
    port, _log, process = server
    path = tokens.path(tokens.make("Sirvoy", None)[1])
    bodies = [json.dumps(sirvoy.booking(sirvoy.room("101"), number=number)).encode() for number in range(1, 101)]
    assert send_many(port, path, bodies) == [200] * 100
    process.kill()
    process.wait(20)
    inbox.sweep(timezone.now() + timedelta(minutes=2))
    assert Counter(WebhookEvent.objects.values_list("status", flat=True)) == {Status.APPLIED: 100}
    assert Booking.objects.count() == 100
