"""What a run keeps in its state directory: secrets, ports, the lock, and a card saying where the services are."""

import fcntl
import json
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from campsite.embedded import account
from campsite.embedded.processes import Failed, end_leftover


@dataclass(frozen=True)
class Card:
    """services.json: who runs, the addresses, and its processes with what tells each from a later namesake."""

    pid: int
    url: str
    environment: dict[str, str]
    processes: dict[str, tuple[int, str | None]] = field(default_factory=dict)


class Busy(Failed):
    """Another process of ours uses this state directory."""


class State:
    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() not in (0, self.root.stat().st_uid):
            raise Failed(f"{self.root} belongs to another user; run this as that one, or remove it.")
        outside = account.OUTSIDE / account.key(self.root)
        try:
            self.account = account.find([self.root / "postgres", outside / "postgres"])
        except LookupError as nobody:
            raise Failed(str(nobody)) from None
        # As root others may pass through, not look: the files are 0600, the servers' directories 0700.
        self.root.chmod(0o700 if os.geteuid() else 0o711)
        self.home = self._home(outside)
        """Where the servers' own directories lie."""

    def _home(self, outside: Path) -> Path:
        if not (outside / "postgres").exists() and self.account.can("-x", self.root):
            return self.root
        account.passage(account.OUTSIDE)
        return account.passage(outside)

    def log(self, name: str) -> Path:
        return self.logs() / f"{name}.log"

    def logs(self) -> Path:
        return self.root / "log"

    def sockets(self) -> Path:
        """A short private directory. Raises Failed when somebody else's stands in its place."""
        try:
            return account.sockets(self.account, self.root)
        except PermissionError as taken:
            raise Failed(str(taken)) from None

    def remove_sockets(self) -> None:
        with suppress(OSError, Failed):
            self.sockets().rmdir()  # if it is empty

    def secret_file(self, name: str, make: Callable[[], str] | None = None) -> Path:
        """A file with a random text, or what `make` makes, made once, readable by us alone."""
        path = self.root / name
        if not path.exists():
            write_private(path, make() if make else secrets.token_urlsafe(12 if name == "admin-password" else 36))
        return path

    def secret(self, name: str) -> str:
        return self.secret_file(name).read_text()

    def port(self, name: str, host: str = "127.0.0.1", wanted: int = 0) -> int:
        """A free TCP port: the one of last time, else the wanted one, else any."""
        path = self.root / f"{name}.port"
        remembered = int(path.read_text()) if path.exists() else wanted
        port = next(number for number in (remembered, wanted, 0) if is_free(number, host)) or _any_port()
        write_private(path, str(port))
        return port

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps every other run out; first ends what a killed one left behind. Raises Busy."""
        with (self.root / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(f"Another process uses {self.root}.") from None
            if left := self.card():
                for pid, known in left.processes.values():
                    end_leftover(pid, known)
            self.retract()
            yield

    def publish(self, card: Card) -> None:
        write_private(self.root / "services.json", json.dumps(asdict(card), indent=2))

    def retract(self) -> None:
        (self.root / "services.json").unlink(missing_ok=True)

    def card(self) -> Card | None:
        """What the last run published, be it alive or not."""
        with suppress(FileNotFoundError, ValueError, TypeError):
            return Card(**json.loads((self.root / "services.json").read_text()))
        return None

    def wipe(self) -> None:
        """Forget everything but the locks, which somebody may be holding."""
        for path in [*self.root.iterdir(), *(self.home.iterdir() if self.home != self.root else [])]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif not path.name.endswith("lock"):
                path.unlink()

    def remove(self) -> None:
        """Leave no trace."""
        for path in (self.sockets(), self.home, self.root):
            shutil.rmtree(path, ignore_errors=True)


def write_private(path: Path, text: str) -> None:
    """Replace the file at once, readable by us alone."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
