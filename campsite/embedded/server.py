"""script/server: everything that a try-out needs, until a signal ends it."""

import http.client
import importlib.util
import os
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import NoReturn

from campsite.embedded import services
from campsite.embedded.children import ROOT, Child, Errand, Keeper, identified, manage
from campsite.embedded.processes import Failed, Interrupted, Kept, bound_logs, signals
from campsite.embedded.progress import say
from campsite.embedded.state import Busy, Card, State, is_free
from monitoring.backup import sealing

USER = "admin"
LOG_IN = "/admin/login/"
USUAL_PORT = 8000
USUAL_METERS = 260
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104
LOGS_EVERY_S = 60
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Options:
    port: int | None = None
    meters: int | None = None
    host: str = "127.0.0.1"
    fresh: bool = False


def state_directory() -> State:
    return State(ROOT / ".run")


def run(options: Options) -> int:
    """Returns the exit code. Raises Failed when it cannot start."""
    signals.listen()
    state = state_directory()
    try:
        with state.locked(), ExitStack() as stack:
            if options.fresh:
                state.wipe()
            with suppress(Interrupted):
                TryOut(options, state).serve(stack)
            say("stopping")
    except Busy:
        raise Failed(_who_is_busy(state)) from None
    return 0


def environment(state: State, running: dict[str, str], host: str = LOOPBACK[0]) -> dict[str, str]:
    """For the product's processes: what the person set goes before our defaults, the services before both."""
    hosts = ["*"] if host in EVERYWHERE else ["127.0.0.1", "localhost", "[::1]", host]
    defaults = {
        "PRODUCTION": "0",
        "SECRET_KEY": state.secret("secret-key"),
        "MQTT_CLIENT_ID": f"campsite-try-out-{state.secret('try-out')[:8]}",
        "ALLOWED_HOSTS": ",".join(hosts),
        "AUTOMATIC_OFFS_AN_HOUR": "120",  # simulated guests leave in an hour as many as others do in a day
        **_backups(state),
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
    }
    if services.given("MQTT_URL"):
        defaults["MQTT_PERSISTENT_SESSION"] = "0"  # somebody's own broker shall keep nothing for a try-out
    return defaults | os.environ | running | {"DJANGO_SETTINGS_MODULE": "campsite.settings"}


def _backups(state: State) -> dict[str, str]:
    """A target and a key, so that `manage.py backup` works at once. All on one disk: no backup to rely on.

    None of it where the person named targets.
    """
    if services.given("BACKUP_TARGETS"):
        return {}
    identity = state.secret_file("backup-key", lambda: sealing.new_key()[0])
    folder = state.root / "backup"
    (folder / "target").mkdir(mode=0o700, parents=True, exist_ok=True)
    return {
        "BACKUP_TARGETS": f"try-out {(folder / 'target').as_uri()}",
        "BACKUP_RECIPIENTS": sealing.recipient_of(identity.read_text()),
        "BACKUP_IDENTITY_FILE": str(identity),
        "BACKUP_WORK": str(folder / "work"),
        "BACKUP_HISTORY": str(folder / "history"),
    }


class TryOut:
    """One run: the services, then the product's processes; the stack stops them in the opposite order."""

    def __init__(self, options: Options, state: State) -> None:
        self.options, self.state = options, state
        self.port = _port(options, state)
        self.url = f"http://{_shown(options.host)}:{self.port}/board/"
        self.services = services.for_server(state)
        self.meters = self._meters_to_simulate()

    def serve(self, stack: ExitStack) -> NoReturn:
        """Ends by Interrupted, or by Failed when it cannot start."""
        stack.callback(self.services.stop)
        self.services.start()
        say("running: " + ", ".join(service.name for service in self.services.started()))
        self.environment = environment(self.state, self.services.environment(), self.options.host)
        self.web, children = self._web(), [self._child(name, *words) for name, *words in self._commands()]
        kept: list[Kept] = [*self.services.started(), *children, self.web]
        errands = [self._child("demo-install", "demo", "--install", *self._of_meters())] if self.meters else []
        stack.callback(self.state.retract)
        for child in (*children, self.web, *errands):
            stack.callback(child.stop)
        self._publish(kept)
        self._prepare_database()
        self.web.start()
        self._prepare_demo()
        for child in children:
            child.start()
        self._publish(kept)
        self._keep(kept, [Errand(child) for child in errands])

    def _keep(self, kept: list[Kept], errands: list[Errand]) -> NoReturn:
        keepers = [Keeper(each) for each in kept]
        is_ready, logs_at = False, 0.0
        while not signals.count:
            now = time.monotonic()
            if now > logs_at:
                logs_at = now + LOGS_EVERY_S
                bound_logs(self.state.logs())
            for errand in errands:
                errand.tick()
            if [keeper for keeper in keepers if keeper.tick(now)]:  # each of them ticks
                self._publish(kept)
            if not is_ready and self.web.is_alive() and _answers(_shown(self.options.host), self.port):
                is_ready = True
                say("the log-in page answers")
                _announce(f"ready {self.url} {USER} {self.state.secret('admin-password')}")
            time.sleep(0.1)
        raise Interrupted

    def _publish(self, kept: list[Kept]) -> None:
        self.state.publish(Card(os.getpid(), self.url, self.services.environment(), identified(kept)))

    def _meters_to_simulate(self) -> int:
        """On somebody's own broker real Zigbee2MQTTs may use the same topics: nothing is simulated there unasked."""
        if self.options.meters is not None:
            return self.options.meters
        return 0 if "MQTT_URL" in self.services.given else USUAL_METERS

    def _of_meters(self) -> tuple[str, str]:
        return "--meters", str(self.meters)

    def _commands(self) -> list[tuple[str, ...]]:
        ours: list[tuple[str, ...]] = [("qcluster", "qcluster"), ("mqtt_worker", "mqtt_worker")]
        return [*ours, *self._simulation()] if self.meters else ours

    def _simulation(self) -> list[tuple[str, ...]]:
        """The guests' webhook address is made and kept by the process that calls it: it needs the site's alone."""
        site = f"http://{_shown(self.options.host)}:{self.port}"
        return [
            ("simulate", "simulate", *self._of_meters()),
            ("simulate_bookings", "simulate_bookings", "--site", site),
        ]

    def _child(self, name: str, *words: str) -> Child:
        return Child(name, manage(*words), self.state, self.environment)

    def _web(self) -> Child:
        words = [sys.executable, "-m", "uvicorn", "campsite.asgi:application", "--lifespan", "off"]
        words += ["--host", self.options.host, "--port", str(self.port)]
        # Addresses of the portal hold tokens: no access log. Open sockets of browsers must not hold up the end.
        words += ["--no-access-log", "--timeout-graceful-shutdown", "2"]
        # Browsers say next to nothing; of each socket, a stranger's too, uvicorn keeps a message until it is whole.
        words += ["--ws-max-size", "4096"]
        # Else uvicorn believes whatever this machine, or a forward on it, says in X-Forwarded-For: see TRUSTED_PROXIES.
        words += ["--no-proxy-headers"]
        return Child("web", words, self.state, {"STATIC_IN_PLACE": "1"} | self.environment | {"DATABASE_POOL": "1"})

    def _prepare_database(self) -> None:
        say("migrate")
        self._child("migrate", "migrate", "--no-input").run(timeout_s=600)
        if importlib.util.find_spec("campsite.translations"):
            say("translations")
            words = [sys.executable, "-m", "campsite.translations", "compile"]
            _try(Child("translations", words, self.state, self.environment))

    def _prepare_demo(self) -> None:
        say("log-ins and areas")
        password = str(self.state.secret_file("admin-password"))
        _try(self._child("demo", "demo", *self._of_meters(), "--password-file", password))


def _try(child: Child) -> None:
    """What fails here is told; the rest still starts."""
    try:
        child.run(timeout_s=300)
    except Failed as failed:
        say(str(failed))


def _port(options: Options, state: State) -> int:
    if options.host not in LOOPBACK:
        say(f"{options.host}: others on the network reach this try-out, without encryption")
    if options.port is None:
        return state.port("web", options.host, wanted=USUAL_PORT)
    if not is_free(options.port, options.host):
        raise Failed(f"Port {options.port} is taken; choose another one with --port, or none for any free one.")
    return options.port


def _shown(host: str) -> str:
    """As a part of an address."""
    if host in EVERYWHERE:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host.strip("[]"), port, timeout=5)
    try:
        connection.request("GET", LOG_IN)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _announce(line: str) -> None:
    """To whoever reads standard output, who may have gone."""
    with suppress(OSError, ValueError):
        print(line, flush=True)


def _who_is_busy(state: State) -> str:
    card = state.card()
    if card and card.url:
        return f"script/server runs already: {card.url} (process {card.pid}). Stop it first, with Ctrl-C or kill."
    if card:
        return (
            f"script/manage (process {card.pid}) is running a command on its own services; try again when it is done."
        )
    return "script/server is just starting or stopping in another terminal; try again in a moment."
