"""script/server and script/manage as a newcomer uses them."""

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from campsite.embedded.children import ROOT
from campsite.embedded.processes import wait_until
from campsite.embedded.state import State

pytestmark = pytest.mark.services
is_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: children that end with their parent")
PATIENCE_S = 60
POLL_S = 0.2  # each look reads what every process of this machine is called


class Server:
    """`python -m campsite.embedded` in a copy of the project, with its own state."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def start(self, meters: int = 2) -> tuple[int, str]:
        """Its process number and its ready line."""
        words = [sys.executable, "-m", "campsite.embedded", "server", "--meters", str(meters)]
        errors = (self.root / "stderr").open("a")
        self.popen = subprocess.Popen(words, cwd=self.root, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert self.popen.stdout
        return self.popen.pid, self.popen.stdout.readline()

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "campsite.embedded", *words],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )

    def processes(self) -> set[int]:
        """All that work in this copy or on its data, ours and what ours have forked."""
        return {int(path.name) for path in Path("/proc").glob("[0-9]*") if self._is_here(path)}

    def _is_here(self, process: Path) -> bool:
        try:
            command, directory = (process / "cmdline").read_bytes(), os.readlink(process / "cwd")
        except OSError:
            return False
        root = str(self.root)
        return root.encode() in command or directory == root or directory.startswith(f"{root}/")

    def end(self, number: int) -> int:
        """The exit code, once nothing is left."""
        self.popen.send_signal(number)
        code = self.popen.wait(PATIENCE_S)
        wait_until(lambda: not self.processes(), PATIENCE_S, "ending", POLL_S)
        return code


@pytest.fixture
def server() -> Iterator[Server]:
    root = Path(tempfile.mkdtemp(prefix="campsite-server-")).resolve()
    root.chmod(0o755)
    unneeded = shutil.ignore_patterns(".*", "tests", "bench", "docs")
    shutil.copytree(ROOT, root, ignore=unneeded, dirs_exist_ok=True)
    made = Server(root)
    yield made
    if made.popen.poll() is None:
        made.popen.terminate()
        made.popen.wait(PATIENCE_S)
    State(root / ".run").remove()
    shutil.rmtree(root)


@is_linux
def test_the_server_gets_ready_lends_its_services_refuses_a_second_and_leaves_nothing(server: Server) -> None:
    pid, ready = server.start()
    assert ready.startswith("ready http://127.0.0.1:"), (server.root / "stderr").read_text()
    url = ready.split()[1]
    second = server.run("server")
    assert second.returncode == 1
    assert url in second.stderr
    assert str(pid) in second.stderr
    card = State(server.root / ".run").card()
    assert card
    script = "from django.conf import settings; print(settings.DATABASE_URL, settings.MQTT_URL)"
    lent = server.run("manage", "shell", "-v", "0", "-c", script)
    assert lent.stdout.split() == [card.environment["DATABASE_URL"], card.environment["MQTT_URL"]]
    assert server.run("manage", "no-such-command").returncode == 1
    assert HTTPStatus.TOO_MANY_REQUESTS in {wrong_link(url, number) for number in range(25)}
    assert hangs_up_on_a_long_message(url)
    assert server.end(signal.SIGTERM) == 0


def wrong_link(url: str, number: int) -> int:
    """Asks for one of many wrong links, each time as if somebody else did."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_S)
    connection.request("GET", f"/p/{number}/", headers={"X-Forwarded-For": f"8.8.8.{number}"})
    return connection.getresponse().status


def hangs_up_on_a_long_message(url: str) -> bool:
    """To a stranger's socket: what is begun there is kept until it is whole, or until his 10 s to say good-bye end."""
    site = urlsplit(url)
    asks = ["GET /stay/live/ HTTP/1.1", f"Host: {site.netloc}", f"Origin: http://{site.netloc}", "Upgrade: websocket"]
    asks += ["Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""]
    with socket.create_connection((site.hostname or "", site.port or 0), timeout=5) as line:
        line.sendall("\r\n".join(asks).encode())
        told = b""
        while not told.endswith(struct.pack(">BBH", 0x88, 2, 4404)):
            told += line.recv(4096)
        try:
            line.sendall(b"\x81\xff" + struct.pack(">Q", 1_000_000) + bytes(1000))
            return not line.recv(4096)
        except ConnectionError:
            return True
        except TimeoutError:
            return False


def without_port(ready: str) -> str:
    return re.sub(r":\d+/", "/", ready)


@is_linux
def test_a_killed_server_leaves_nothing_and_the_next_one_starts(server: Server) -> None:
    _, first = server.start()
    wait_until(lambda: len(server.processes()) > 12, PATIENCE_S, "qcluster and its forks", POLL_S)
    assert server.end(signal.SIGKILL) == -signal.SIGKILL
    _, second = server.start()
    assert without_port(second) == without_port(first)  # which somebody else may have taken meanwhile
    assert server.end(signal.SIGINT) == 0


@is_linux
def test_commands_without_a_server_bring_their_own_services_and_end_them(server: Server) -> None:
    server.popen = subprocess.Popen(["true"])
    done = server.run(
        "manage", "shell", "-v", "0", "-c", "from django.db import connection as c; c.ensure_connection()"
    )
    assert done.returncode == 0, done.stderr
    wait_until(lambda: not server.processes(), PATIENCE_S, "ending", POLL_S)
