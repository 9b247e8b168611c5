"""What stands beside us, asked for real: pages, ports, and certificates of our own making."""

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from monitoring.checks import neighbours
from monitoring.findings import Severity
from tests.sink import Sink

NOW = timezone.now()


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture
def hanging() -> Iterator[int]:
    """The port of something that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def dead(settings, **probes: str) -> dict[str, object]:
    settings.PROBES = probes
    return {finding.about: finding.facts["why"] for finding in neighbours.probes(NOW)}


def test_what_answers_is_alive_also_where_it_wants_a_password(sink: Sink, settings) -> None:
    url = f"http://127.0.0.1:{sink.port}/health?full=1"
    assert dead(settings, page=url, port=f"tcp://127.0.0.1:{sink.port}") == {}
    assert sink.called == ["/health?full=1"]
    sink.status = 401
    assert dead(settings, page=url) == {}
    sink.status = 502
    assert dead(settings, page=url) == {"page": "HTTP 502"}


def test_what_refuses_or_hangs_is_dead(hanging: int, settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "TIMEOUT_S", 0.2)
    told = dead(settings, closed="tcp://127.0.0.1:1", gone="http://127.0.0.1:1/", hangs=f"http://127.0.0.1:{hanging}/")
    assert told == {
        "closed": "ConnectionRefusedError",
        "gone": "ConnectionRefusedError",
        "hangs": neighbours.SILENCE,
    }


def test_a_key_in_an_address_is_told_to_nobody(settings) -> None:
    settings.PROBES = {"page": "http://127.0.0.1:1/health?key=secret"}
    (finding,) = neighbours.probes(NOW)
    assert finding.facts["address"] == "http://127.0.0.1:1/health"


def test_a_long_list_of_dead_ones_takes_no_longer_than_one(
    hanging: int, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "TIMEOUT_S", 0.5)
    begun = time.monotonic()
    told = dead(settings, **{f"n{number}": f"http://127.0.0.1:{hanging}/" for number in range(neighbours.AT_ONCE)})
    assert len(told) == neighbours.AT_ONCE
    assert time.monotonic() - begun < neighbours.AT_ONCE * 0.5 / 2


def test_whom_there_was_no_time_to_ask_is_unknown(hanging: int, settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "TIMEOUT_S", 1.0)
    monkeypatch.setattr(neighbours, "PATIENCE_S", 0.2)
    monkeypatch.setattr(neighbours, "AT_ONCE", 1)
    url = f"http://127.0.0.1:{hanging}/"
    assert dead(settings, first=url, second=url) == {"first": neighbours.SILENCE}


# --- certificates ----------------------------------------------------------------------------------------------------

Serve = Callable[..., str]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """A TLS server with a certificate that ends in so many days; returns its address."""
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificates: apt-get install openssl")
    servers: list[socket.socket] = []

    def made(days: int, name: str = "IP:127.0.0.1") -> str:
        certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
        words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        words += ["-subj", "/CN=test", "-addext", f"subjectAltName={name}", "-days", str(days)]
        subprocess.run([*words, "-out", certificate, "-keyout", key], check=True, capture_output=True, timeout=30)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)
        threading.Thread(target=_shake_hands, args=[server, context], daemon=True).start()
        return f"127.0.0.1:{server.getsockname()[1]}"

    yield made
    for server in servers:
        server.close()


def _shake_hands(server: socket.socket, context: ssl.SSLContext) -> None:
    with suppress(OSError):
        while True:
            plain, _ = server.accept()
            with suppress(OSError), context.wrap_socket(plain, server_side=True):
                pass


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate's issuer, itself, is one that this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))


@pytest.mark.parametrize(
    ("days", "told"), [(90, []), (13, [(Severity.WARNING, 12)]), (14, [(Severity.WARNING, 13)]), (15, [])]
)
def test_a_certificate_that_ends_soon(serve: Serve, known: None, settings, days: int, told: list[object]) -> None:
    settings.WATCHED_CERTIFICATES = [serve(days)]
    found = list(neighbours.certificates(timezone.now() + timedelta(hours=1)))
    assert {finding.code for finding in found} <= {"certificate_ends"}
    assert [(finding.severity, finding.facts["days"]) for finding in found] == told


def test_a_certificate_that_nobody_knows_or_of_another_name_is_refused(
    serve: Serve, settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings.WATCHED_CERTIFICATES = [serve(90)]
    (found,) = neighbours.certificates(NOW)
    assert (found.code, found.facts["why"]) == ("certificate_refused", "self-signed certificate")
    settings.WATCHED_CERTIFICATES = [serve(90, "DNS:other.example")]
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    (found,) = neighbours.certificates(NOW)
    assert "IP address mismatch" in str(found.facts["why"])


def test_a_server_that_is_away_or_speaks_no_tls_is_refused(sink: Sink, settings) -> None:
    settings.WATCHED_CERTIFICATES = ["127.0.0.1:1", f"127.0.0.1:{sink.port}"]
    found = {finding.about: finding.facts["why"] for finding in neighbours.certificates(NOW)}
    assert found["127.0.0.1:1"] == "ConnectionRefusedError"
    assert f"127.0.0.1:{sink.port}" in found
