"""Fetches the peers, pinned, into a cache outside of the repository: `python -m bench.peers.installing`.

$XDG_CACHE_HOME/campsite-bench, else ~/.cache/campsite-bench; a folder for each set of pins.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "campsite-bench"
TIMEOUT_S = 900


@dataclass(frozen=True)
class Installed:
    """`pins`: the files that say what it is; `program`: what is there when it is."""

    name: str
    pins: tuple[Path, ...]
    program: str
    needs: str
    fetch: Callable[[Path], None]

    @property
    def folder(self) -> Path:
        pinned = sha256(b"".join(path.read_bytes() for path in self.pins)).hexdigest()[:12]
        return CACHE / f"{self.name}-{pinned}"

    def missing(self) -> str:
        """Why it cannot run here; empty when it can."""
        if (self.folder / self.program).exists():
            return ""
        return f"{self.name} is not installed: .venv/bin/python -m bench.peers.installing"

    def install(self) -> str:
        """Whole or not at all. Returns why not; empty when it is there."""
        if not self.missing():
            return ""
        if not shutil.which(self.needs):
            return f"{self.name} needs {self.needs}"
        unfinished = self.folder.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            self.fetch(unfinished)
        except subprocess.SubprocessError as failed:
            return f"{self.name} could not be installed: {failed}"
        unfinished.rename(self.folder)
        return self.missing()


def _node_red(folder: Path) -> None:
    for pins in NODE_RED.pins:
        shutil.copy(pins, folder)
    _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", directory=folder)


def _home_assistant(folder: Path) -> None:
    """Not a venv's own programs, which know where they were made: `python -m homeassistant`."""
    venv.create(folder / "venv", with_pip=True)
    _run("venv/bin/python", "-m", "pip", "install", "-q", "-r", str(HOME_ASSISTANT.pins[0]), directory=folder)


def _run(*words: str, directory: Path) -> None:
    subprocess.run(words, cwd=directory, check=True, timeout=TIMEOUT_S, stdout=sys.stderr)


NODE_RED = Installed(
    "node-red", (HERE / "package.json", HERE / "package-lock.json"), "node_modules/node-red/red.js", "npm", _node_red
)
HOME_ASSISTANT = Installed(
    "home-assistant", (HERE / "homeassistant.txt",), "venv/bin/python", sys.executable, _home_assistant
)


def install_all() -> list[str]:
    """What could not be, and why."""
    return [reason for each in (NODE_RED, HOME_ASSISTANT) if (reason := each.install())]


def main() -> int:
    reasons = install_all()
    print("\n".join(reasons) or f"All peers are in {CACHE}.")
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
