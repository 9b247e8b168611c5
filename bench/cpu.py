"""What processes cost, read from /proc: a noisy neighbour makes them slower, not dearer."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS_A_SECOND


def cpu_of_all_s(parent: int) -> float:
    """Of a process and all that descend from it: PostgreSQL forks one for each connection."""
    total = 0.0
    for pid in family(parent):
        with suppress(OSError):  # it has just ended
            total += cpu_s(pid)
    return total


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found, new = [pid], [pid]
    while new:
        new = [child for parent in new for child in children.get(parent, [])]
        found += new
    return found


def rss_mb(pid: int, *, peak: bool = False) -> float:
    """What a process holds in memory now, or held at most."""
    wanted = "VmHWM:" if peak else "VmRSS:"
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(wanted))


def pss_mb(pid: int) -> float:
    """What a process holds in memory now; of what it shares, its part. Only so may forks of one be added up."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))


def forget_peak(pid: int) -> None:
    """What a process held at most counts from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


class Meter:
    """CPU seconds since it was made, by name."""

    def __init__(self, readers: Mapping[str, Callable[[], float]]) -> None:
        self._readers = dict(readers)
        self._before = {name: read() for name, read in self._readers.items()}

    def read(self) -> dict[str, float]:
        return {name: read() - self._before[name] for name, read in self._readers.items()}
