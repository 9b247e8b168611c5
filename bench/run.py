"""A run of benches: services of its own, durable, and our processes as they are deployed. All of them end with it."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench import cpu, year
from bench.generator import Generator, Site, register
from bench.table import Figure, shown
from campsite.embedded import mosquitto
from campsite.embedded.mosquitto import Mosquitto
from campsite.embedded.processes import Failed, Process
from campsite.embedded.state import State
from tests.meters import harness
from tests.meters.harness import OwnServices, Workers, until

STEP_S = 30.0
SHIPPED = Path(__file__).resolve().parent.parent / "deploy" / "mosquitto" / "mosquitto.conf"
MISSING = """mosquitto is not installed; the benches measure with the broker that is deployed.
On Debian and Ubuntu: apt-get install mosquitto (its service may stay off). On macOS: brew install mosquitto"""


class ShippedMosquitto(Mosquitto):
    """With the limits of the configuration that is deployed, where ours for a try-out has none."""

    def _configure(self) -> Path:
        path = super()._configure()
        ours = path.read_text()
        mine = {line.split()[0] for line in ours.splitlines()}
        limits = SHIPPED.read_text().partition("# --- limits")[2].partition("# --- ")[0].splitlines()[1:]
        more = [line for line in limits if line.strip() and line[0] != "#" and line.split()[0] not in mine]
        return self.state.account.own_file(path, "\n".join([*ours.splitlines(), *more, ""]))


def django(services: harness.Services, database_url: str) -> None:
    import django

    os.environ.update(DATABASE_URL=database_url, REDIS_URL=services.redis_url, SECRET_KEY="x")
    os.environ["PRODUCTION"] = "0"
    os.environ["CHANNEL_PREFIX"] = harness.channels(database_url)
    os.environ["DJANGO_SETTINGS_MODULE"] = "campsite.settings"
    django.setup()


class Run:
    """`is_quick`: everything is to end within two minutes. `hour`: there is an hour for what takes one."""

    def __init__(self, *, is_quick: bool = False, hour: bool = False) -> None:
        self.is_quick, self.hour = is_quick, hour
        self.sustained_per_s = 0.0  # once it was measured
        self.services = OwnServices(durable=True)
        self._year: tuple[str, year.Site] | None = None

    def start(self) -> None:
        """PostgreSQL notes when each transaction was committed: so nobody has to ask it meanwhile."""
        if not mosquitto.program():
            raise Failed(MISSING)
        self.services.start()
        postgres = self.services.postgres
        with postgres._connect("postgres") as connection:
            connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
        postgres.stop()
        postgres.start()
        django(self.services, self.services.new_database())

    def stop(self) -> None:
        self.services.stop()

    def say(self, text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)

    def rounds(self, usual: int) -> int:
        return 1 if self.is_quick else usual

    @contextmanager
    def product(self) -> Iterator[Product]:
        """A fresh database, which this process's Django speaks to meanwhile, and a broker."""
        product = Product(self.services)
        try:
            product.broker.start()
            with harness.speaking_to(product.database_url):
                yield product
        finally:
            product.end()

    @contextmanager
    def year(self) -> Iterator[year.Site]:
        """Django speaks to a database with a year of roll-ups and some days of readings; filled once a run."""
        if self._year is None:
            meters, days = (50, 3) if self.is_quick else (400, 7)
            self._year = self.services.new_database(), year.Site(days, 1, meters)
            self.say(f"a year of {meters} meters")
            with harness.speaking_to(self._year[0]):
                self._year[1].load()
        with harness.speaking_to(self._year[0]):
            yield self._year[1]

    @property
    def postgres_pid(self) -> int:
        assert self.services.postgres.process
        return self.services.postgres.process.pid


def until_stopped(main: Callable[[], int]) -> int:
    """A program's exit code; 130 after Ctrl-C or SIGTERM, whatever these made fail: what it began is ended."""
    stopped = threading.Event()

    def stop(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # what is ended is ended whole
        stopped.set()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        return main()
    except BaseException:
        if not stopped.is_set():
            raise
        print("Stopped.", file=sys.stderr)
        return 130


def alone(measure: Callable[[Run], list[Figure]]) -> None:
    """For a bench that is run as a program of its own."""
    run = Run()
    try:
        run.start()
        print(shown(measure(run)))
    finally:
        run.stop()


class Product:
    """One database, one broker, and whichever of our processes were started."""

    def __init__(self, services: OwnServices) -> None:
        self.services = services
        self.database_url = services.new_database()
        self._state = State(Path(tempfile.mkdtemp(prefix="campsite-bench-")))
        self.broker = ShippedMosquitto(self._state)
        self.workers = Workers(services, self.database_url, self.broker.url)
        self._others: list[Process] = []
        self.start_ms = round(1000 * (time.time() - 47 * 3600))
        self._sent_s: dict[str, float] = {}
        self._stack = ExitStack()
        self._stack.callback(self._state.remove)
        self._stack.callback(self.broker.stop)

    def end(self) -> None:
        self.workers.end_all()
        for process in reversed(self._others):
            process.kill()
        self._stack.close()

    # --- our processes

    def worker(self) -> Process:
        return self.workers.start()

    def web(self) -> tuple[Process, int]:
        """And its port."""
        port = harness.free_port()
        process = self.services.web(database_url=self.database_url, port=port)
        self._others.append(process)
        return process, port

    def cluster(self, **environment: str) -> Process:
        urls = {"database_url": self.database_url, "mqtt_url": self.broker.url}
        process = self.services.manage("qcluster", **urls, **environment)
        self._others.append(process)
        return process

    def python(self, *words: str, **environment: str) -> Process:
        """`python -m …` in a process of its own, with the addresses of services and broker in its environment."""
        ours = {"DATABASE_URL": self.database_url, "REDIS_URL": self.services.redis_url, "MQTT_URL": self.broker.url}
        kept = os.environ | {"CHANNEL_PREFIX": harness.channels(self.database_url)} | ours | environment
        log = self.services.state.log(f"{words[0]}-{len(self._others)}")
        process = Process(words[0], [sys.executable, "-m", *words], log, environment=kept, directory=harness.ROOT)
        self._others.append(process)
        return process

    # --- the load

    def settle(self, site: Site) -> None:
        """Its areas are registered and announced, and the worker knows all its meters."""
        from meters.models import Meter

        before = Meter.objects.count()
        register(site)
        Generator(self.broker.url, site).announce()
        until(lambda: Meter.objects.count() >= before + site.meters, "the inventories")

    def replay(self, site: Site, messages: int, **options: Any) -> Process:
        """The generator in a process of its own, flat out, encoded ahead: what such meters told at STEP_S, hours ago.

        Each goes on where the one before it ended, so that no reading comes twice. See `generated`.
        """
        before_s = self._sent_s.get(site.prefix, 0.0)
        self._sent_s[site.prefix] = before_s + (messages / site.meters + 1) * STEP_S
        hours_ago = time.time() / 3600 - self.start_ms / 3_600_000 - before_s / 3600
        return self.generate(site, messages, step_s=STEP_S, hours_ago=hours_ago, **options)

    def generate(self, site: Site, messages: int, per_s: float = 0.0, **options: Any) -> Process:
        words = ["--areas", site.areas, "--meters", site.meters, "--seed", site.seed, "--prefix", site.prefix]
        words += ["--count", messages, "--per-s", per_s]
        options = {"announce": "no", "start_ms": self.start_ms} | options
        for name, value in options.items():
            words += [f"--{name.replace('_', '-')}"] if value is True else [f"--{name.replace('_', '-')}", value]
        return self.python("bench.generator", *map(str, words))

    def ledger(self, name: str) -> Path:
        """Where a generator may write what was acknowledged."""
        return self._state.root / f"{name}.ledger"

    def stored(self) -> int:
        """How many readings the worker says that it has stored since its start: told once a second."""
        from meters.models import WorkerState

        return WorkerState.objects.values_list("stored", flat=True).get(pk="mqtt")


def generated(process: Process, timeout_s: float = 120.0) -> dict[str, float]:
    """What a generator says at its end."""
    process.wait_success(timeout_s)
    told: dict[str, float] = json.loads(process.log.read_text().splitlines()[-1])
    return told


def settled(read: Callable[[], int], wanted: int, timeout_s: float, what: str) -> int:
    """Wait until it is read to be so much, at most so long after it last rose; returns what was read last."""
    last, rose_at = -1, time.monotonic()
    while (now := read()) < wanted:
        if now > last:
            last, rose_at = now, time.monotonic()
        if time.monotonic() - rose_at > timeout_s:
            print(f"  {what}: {now} of {wanted}", file=sys.stderr)
            return now
        time.sleep(0.1)
    return now


def meters_of(product: Product, run: Run, *workers: Process) -> cpu.Meter:
    """Whose CPU a message costs: all workers together, PostgreSQL, the broker."""
    assert product.broker.process
    broker = product.broker.process.pid
    return cpu.Meter(
        {
            "worker": lambda: sum(cpu.cpu_s(worker.pid) for worker in workers),
            "postgres": lambda: cpu.cpu_of_all_s(run.postgres_pid),
            "broker": lambda: cpu.cpu_s(broker),
        }
    )
