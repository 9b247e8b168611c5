"""Runs the services of compose.yaml without Docker: their commands, environments, secrets, configuration files and
healthchecks are the very ones. What differs stands here: paths and ports are those of this machine, everything listens
on 127.0.0.1 alone, and an image's programs are those that are installed.
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from campsite.embedded import mosquitto, postgres, valkey
from campsite.embedded.processes import Failed, Process, wait_until
from tests.deploy.composed import DEPLOY, ROOT
from tests.deploy.installation import HOST, Installation

PORTS = ("5432", "6379", "1883", "8883", "8000", "8080", "8443", "8081")
NAMES = ("postgres", "redis", "mosquitto", "web")
CORE = ("postgres", "redis", "mosquitto", "migrate", "web", "mqtt_worker", "qcluster", "caddy")
"""What runs without a profile."""
FIRST_START_S = 90
PROBE_S = 0.5  # a probe is a process of its own, and takes from the one that is to get ready
SHIMS = {
    # Busybox has it in the image; here it may be missing.
    "nc": "import socket, sys\nsys.exit(socket.socket().connect_ex((sys.argv[2], int(sys.argv[3]))))",
    "valkey-cli": "import socket, sys\nserver = socket.create_connection((sys.argv[2], PORT))\n"
    "server.sendall(b'PING\\r\\n')\nprint(server.recv(99).decode())",
}


class Site(Installation):
    """One installation, started as Compose would."""

    def __init__(self, code: Path = ROOT) -> None:
        super().__init__()
        self.ports = {port: str(self.state.port(f"native-{port}")) for port in PORTS}
        self.running: dict[str, Process] = {}
        self.build("latest", code)
        self.use("latest")

    def close(self) -> None:
        self.down()
        super().close()

    def build(self, version: str, code: Path) -> None:
        build(code, self.root / "images" / version)

    def use(self, version: str) -> None:
        """Our own processes are started of this version's code from now on."""
        self.app = self.root / "images" / version

    def fit(self) -> None:
        """Paths, ports and the proxy's network of this machine into the files that were installed."""
        with (self.deploy / ".env").open("a") as env:
            env.write("FRONT_NETWORK=127.0.0.1/32\n")
        for path in (self.deploy / "secrets").iterdir():
            path.write_text(self._elsewhere(path.read_text()))
        targets = self.deploy / "secrets/backup_targets"
        targets.write_text(targets.read_text().replace("file:///backup", (self.root / "usb").as_uri()))
        for name in ("caddy/Caddyfile", "redis/valkey.conf", "postgres/init.sh", "mosquitto/mosquitto.conf"):
            path = self.deploy / name
            path.write_text(self.fitted(path.read_text()))
        caddy, broker = self.deploy / "caddy/Caddyfile", self.deploy / "mosquitto/mosquitto.conf"
        caddy.write_text(caddy.read_text().replace("admin off", "admin off\n\tdefault_bind 127.0.0.1"))
        broker.write_text(re.sub(r"^(listener \d+)$", r"\1 127.0.0.1", broker.read_text(), flags=re.MULTILINE))

    def _elsewhere(self, told: str) -> str:
        """Of what is reached by name and port."""
        for name in NAMES:
            told = re.sub(rf"\b{name}:(\d+)", lambda found: f"127.0.0.1:{self.ports[found[1]]}", told)
        return told

    def fitted(self, told: str) -> str:
        """Words of a container, as they are meant on this machine."""
        told = self._elsewhere(told).replace("0.0.0.0", "127.0.0.1")
        told = re.sub(rf"(?<![\d.])({'|'.join(PORTS)})(?!\d)", lambda found: self.ports[found[1]], told)
        for there, here in sorted(self._paths.items(), reverse=True):
            told = re.sub(rf"(?<![\w/]){re.escape(there)}(?![\w-])", here, told)
        return told

    @cached_property
    def _paths(self) -> dict[str, str]:
        found = {"/run/secrets": str(self.deploy / "secrets")}
        for name in CORE:
            found |= self.services[name].folders(self.compose["volumes"])
        return {there: str(self.deploy / here) if here.startswith("./") else here for there, here in found.items()}

    # --- running -------------------------------------------------------------------------------------------------

    def up(self, *names: str) -> None:
        """In the order of depends_on. Raises Failed with the end of a log."""
        for name in names or CORE:
            service = self.services[name]
            for needed, condition in service.needs.items():
                self._wait(needed, condition)
            self.start(name)

    def start(self, name: str) -> None:
        if name == "postgres":
            self._initialize()
        service = self.services[name]
        words = [self.fitted(word) for word in service.command]
        words = [str(self._program(words[0])), *words[1:]]
        if name == "postgres":
            words += ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.state.sockets()}"]
        self.running[name] = self._process(name, words, self.environment(name))

    def _process(self, name: str, words: Sequence[str], environment: Mapping[str, str]) -> Process:
        is_ours = "campsite" in str(self.services[name].told["image"])
        return Process(
            name,
            words,
            self.state.log(name),
            account=None if is_ours else self.state.account,
            environment=environment,
            directory=self.app if is_ours else self.root,
            stop_signal=getattr(__import__("signal"), self.services[name].told.get("stop_signal", "SIGTERM")),
        )

    def environment(self, name: str) -> dict[str, str]:
        """What compose.yaml says, and what the image brings."""
        told = {key: self.fitted(value) for key, value in self.services[name].environment.items()}
        image = {
            "PATH": os.pathsep.join(
                [str(self._shims), str(Path(sys.executable).parent), str(self._programs), os.defpath]
            ),
            "XDG_DATA_HOME": self.fitted("/data"),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "DJANGO_SETTINGS_MODULE": "campsite.settings",
            "POSTGRES_PROGRAMS": str(self._programs),
            "PGPORT": self.ports["5432"],
            "HOME": str(self.root),
            "LC_ALL": "C.UTF-8",
        }
        return image | told

    @cached_property
    def _programs(self) -> Path:
        """PostgreSQL's, of the newest version."""
        return next(postgres._candidates(self.state.account))

    @cached_property
    def _shims(self) -> Path:
        folder = self.root / "bin"
        folder.mkdir()
        for name, code in SHIMS.items():
            path = folder / name
            path.write_text(f"#!{sys.executable}\n{code.replace('PORT', self.ports['6379'])}\n")
            path.chmod(0o755)
        self.give(folder)
        return folder

    def _program(self, name: str) -> Path | str:
        if name == "valkey-server":
            return valkey._program(self.state.account)
        if name == "mosquitto":
            return mosquitto.program() or name
        if name == "postgres":
            return self._programs / name
        return {"python": sys.executable, "caddy": caddy(self.root)}.get(name, name)

    def _initialize(self) -> None:
        """What the image's entrypoint does at the first start: initdb, then the scripts, by its socket alone."""
        environment = self.environment("postgres")
        folder = Path(environment["PGDATA"])
        if folder.exists():
            return
        folder.mkdir(parents=True)
        self.give(Path(self.fitted("/var/lib/postgresql")))
        password = environment["POSTGRES_PASSWORD_FILE"]
        words = [
            str(self._programs / "initdb"),
            "-D",
            str(folder),
            "-U",
            "postgres",
            f"--pwfile={password}",
            "--no-sync",
        ]
        words += ["--auth-local=trust", "--auth-host=scram-sha-256", *environment["POSTGRES_INITDB_ARGS"].split()]
        self._once("postgres", words, environment)
        sockets = self.state.sockets()
        words = [
            str(self._programs / "postgres"),
            "-c",
            "listen_addresses=",
            "-c",
            f"unix_socket_directories={sockets}",
        ]
        server = self._process("postgres", words, environment)
        server.wait_ready(lambda: (sockets / f".s.PGSQL.{self.ports['5432']}").exists(), 30)
        self._once(
            "postgres", [self.fitted("/docker-entrypoint-initdb.d/campsite.sh")], environment | {"PGHOST": str(sockets)}
        )
        server.stop(20)

    def _once(self, name: str, words: Sequence[str], environment: Mapping[str, str]) -> None:
        process = self._process(name, words, environment)
        try:
            process.wait_success(60)
        finally:
            process.kill()

    def _wait(self, name: str, condition: str) -> None:
        process = self.running[name]
        if condition == "service_completed_successfully":
            process.wait_success(FIRST_START_S)
        elif condition == "service_healthy":
            process.wait_ready(lambda: self.is_healthy(name), FIRST_START_S, PROBE_S)

    def wait_well(self, *names: str) -> None:
        for name in names:
            self._wait(name, "service_healthy")

    def is_healthy(self, name: str) -> bool:
        """By the healthcheck of compose.yaml."""
        return self.probe(name).returncode == 0

    def probe(self, name: str) -> subprocess.CompletedProcess[str]:
        return self.execute(name, *map(self.fitted, self.services[name].probe))

    def execute(self, name: str, *words: str, told: str | None = None) -> subprocess.CompletedProcess[str]:
        """As `docker compose exec` does."""
        if words[0] == "python":
            words = (sys.executable, *words[1:])
        return subprocess.run(
            words, env=self.environment(name), cwd=self.app, capture_output=True, text=True, input=told, check=False,
            timeout=120,
        )  # fmt: skip

    def manage(self, name: str, *words: str, told: str | None = None) -> str:
        done = self.execute(name, "python", "manage.py", *words, told=told)
        if done.returncode:
            raise Failed(done.stdout + done.stderr)
        return done.stdout

    def stop(self, *names: str) -> None:
        """All at once, each for as long as compose.yaml lets it."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._stop, names))

    def _stop(self, name: str) -> None:
        grace = str(self.services[name].told["stop_grace_period"])
        self.running.pop(name).stop(float(grace.removesuffix("s")))

    def down(self) -> None:
        ours = [name for name in self.running if name not in self.needed]
        self.stop(*ours)
        self.stop(*reversed(list(self.running)))

    @cached_property
    def needed(self) -> set[str]:
        """Whom others need: they end last."""
        return {needed for service in self.services.values() for needed in service.needs}

    # --- from outside --------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.ports['8443']}"

    def here(self, url: str) -> str:
        """Where an address of the site is on this machine."""
        return re.sub(rf"^https://{HOST}(?=/|$)", self.url, url)

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Who trusts Caddy's own authority, as a device does that was told of it."""
        data = Path(self.fitted("/data")) / "caddy"
        wait_until((data / f"certificates/local/{HOST}/{HOST}.crt").exists, 30, "Caddy's certificate")
        return ssl.create_default_context(cafile=str(data / "pki/authorities/local/root.crt"))


def caddy(folder: Path) -> str:
    """The wheel's program, where the user of the services can run it."""
    found = Path(sys.executable).with_name("caddy")
    copy = folder / "caddy"
    if not copy.exists():
        shutil.copy(found, copy)
        copy.chmod(0o755)
    return str(copy)


def build(code: Path, app: Path) -> None:
    """The image's /app: what .dockerignore lets in, and the Dockerfile's own commands in it."""
    allowed = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    refused = shutil.ignore_patterns("__pycache__", "*.pyc", "*.mo", "embedded")
    for name in (line[1:] for line in allowed if line.startswith("!")):
        source, target = code / name, app / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=refused)
        else:
            shutil.copy(source, target)
    ours = r"^RUN ((?:[A-Z_]+=\S+ )*python (?!-m venv).*)$"
    for command in re.findall(ours, (DEPLOY / "Dockerfile").read_text(), re.MULTILINE):
        here = command.replace("python ", f"{sys.executable} ").replace(" /app /opt/venv", f" {app}")
        words = ["/bin/sh", "-c", here]
        subprocess.run(words, cwd=app, check=True, capture_output=True, timeout=120)
