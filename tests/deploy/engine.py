"""A `docker` for deploy/upgrade that runs a Site natively: what it is told comes here, to the thread that may start
processes.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.deploy.native import Site

SHIM = """#!{python}
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as road:
    road.connect({address!r})
    road.sendall(json.dumps([os.environ.get("CAMPSITE_VERSION", ""), sys.argv[1:]]).encode() + b"\\n")
    code, text = json.loads(road.makefile().read())
print(text, end="")
sys.exit(code)
"""
FILE = ["compose", "--file", "compose.yaml"]


class Engine:
    """`versions`: tag → the folder with its code; an image is there once it was built."""

    def __init__(self, site: Site, versions: dict[str, Path]) -> None:
        self.site, self.versions = site, versions
        self.told: list[str] = []
        self._address = str(site.root / "docker.sock")
        self._road = socket.socket(socket.AF_UNIX)
        self._road.bind(self._address)
        self._road.listen()
        self._road.settimeout(0.1)
        folder = site.root / "docker"
        folder.mkdir()
        shim = folder / "docker"
        shim.write_text(SHIM.format(python=sys.executable, address=self._address))
        shim.chmod(0o755)
        self._path = os.pathsep.join([str(folder), os.environ["PATH"]])

    def upgrade(self, *words: str) -> subprocess.CompletedProcess[str]:
        """deploy/upgrade with these words."""
        log = self.site.state.log("upgrade")
        with log.open("w") as output:
            process = subprocess.Popen(
                [self.site.deploy / "upgrade", *words],
                env={"PATH": self._path},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            while process.poll() is None:
                self._serve()
        finally:
            process.kill()
        return subprocess.CompletedProcess(words, process.returncode, log.read_text())

    def _serve(self) -> None:
        try:
            caller, _ = self._road.accept()
        except TimeoutError:
            return
        with caller:
            version, words = json.loads(caller.makefile().readline())
            assert words[: len(FILE)] == FILE
            caller.sendall(json.dumps(self._do(version, words[len(FILE) :])).encode())

    def _do(self, version: str, words: list[str]) -> tuple[int, str]:
        self.told.append(f"{version}: {' '.join(words[:6])}")
        match words:
            case ["build", "migrate"]:
                self.site.build(version, self.versions[version])
                return 0, ""
            case ["run", "--rm", "--no-deps", service]:
                self.site.use(version)
                self.site.start(service)
                process = self.site.running.pop(service)
                while process.is_alive():
                    process.popen.wait()
                return process.exit_code or 0, ""
            case ["exec", "-T", service, *command]:
                done = self.site.execute(service, *map(self.site.fitted, command))
                return done.returncode, done.stdout + done.stderr
            case ["up", "--detach", "--no-deps", "--no-build", *services]:
                self.site.use(version)
                self.site.stop(*services)
                for service in services:
                    self.site.start(service)
                return 0, ""
            case ["logs", *_]:
                return 0, self.site.state.log("web").read_text()[-1000:]
        raise AssertionError(words)
