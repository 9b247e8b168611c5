"""What the product says beside what is: one look at all of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from bench.cpu import cpu_of_all_s
from bench.twins.radios import Radio, Silent
from bench.twins.site import Site
from bench.twins.truth import COMPARED_TWICE, Bridge, Case, Finding, area, command, same
from campsite.embedded.processes import Process


class Looks:
    """Each sees every device anew, and reads the open board, the page and the API."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._cpu: dict[int, float] = {}
        self._cpu_at = 0.0

    def compare(self) -> tuple[int, list[Finding]]:
        """How many values were compared, and what differed."""
        site = self._site
        self._see()
        page, api, shown = site.product.state(), site.product.meters(), site.product.board.now()
        found: list[Finding] = []
        now, values = time.time(), 0
        is_linked = bool(shown.worker["connected"])
        bridges = {radio.base: self._bridge(radio) for radio in site.radios}
        for base, bridge in bridges.items():
            found += area(base, shown.areas.get(base), bridge, is_linked, now)
            values += 2
        pages = {meter["ieee"]: meter for meter in page["meters"]}
        for device in site.devices:
            said, ieee = shown.meters.get(device.ieee), device.ieee
            if said is None or ieee not in pages or ieee not in api:
                found.append(Finding(ieee, "meter", None, "there"))
                continue
            used, wire, bridge_of = site.used[ieee], site.ear.devices[ieee], bridges.get(device.home or "")
            case = Case(device, used, wire, bridge_of, said, is_linked, site.every_s, now)
            found += [*case.find(), *same(ieee, said, pages[ieee], api[ieee], now)]
            values += case.values + COMPARED_TWICE
        commands = list(self._commands(now))
        found += [finding for each in commands for finding in each]
        return values + len(commands), found

    def _see(self) -> None:
        """Look at every device that can be looked at."""
        for device in self._site.devices:
            if device.home is not None:
                device.plug = None
        for radio in self._site.radios:
            if radio.up_at is None:
                continue
            here = {device.ieee: device for device in self._site.at(radio)}
            with suppress(Silent):
                for ieee, plug in radio.look(here).items():
                    here[ieee].plug = plug
                    self._site.used[ieee].look(plug)

    def _commands(self, now: float) -> Iterator[list[Finding]]:
        by_ieee = {device.ieee: device for device in self._site.devices}
        seen: set[str] = set()
        for told in self._site.product.commands():
            times = {key: _seconds(told[key]) for key in ("created_at", "finished_at")}
            yield list(command(told | times, by_ieee[told["meter"]], told["meter"] not in seen, now))
            seen.add(told["meter"])

    def _bridge(self, radio: Radio) -> Bridge:
        since = radio.down_at if radio.up_at is None else radio.up_at
        return Bridge(
            radio.up_at is not None, since, self._site.ear.bridges[radio.base], self._site.ear.permits[radio.base]
        )

    def contexts(self) -> dict[str, str]:
        return {
            device.ieee: f"{device.kind} in {device.home}, {device.mode} for {time.time() - device.since:.0f} s"
            for device in self._site.devices
        }

    def shares(self) -> dict[str, float]:
        """Percent of a core since the last call; of a process that has ended since, nothing."""
        site = self._site
        running: dict[str, list[Process | None]] = {
            "z2m": [radio.process for radio in site.radios],
            "worker": [site.worker],
            "qcluster": [site.cluster],
            "postgres": [site.services.postgres.process],
            "broker": [site.broker.server.process],
        }
        shares, before, seconds = {}, self._cpu, max(time.time() - self._cpu_at, 1)
        self._cpu, self._cpu_at = {}, time.time()
        for name, processes in running.items():
            pids = [process.pid for process in processes if process and process.is_alive()]
            self._cpu |= {pid: cpu_of_all_s(pid) for pid in pids}
            shares[name] = 100 * sum(self._cpu[pid] - before.get(pid, 0.0) for pid in pids) / seconds
        return shares


def _seconds(moment: str | None) -> float | None:
    return datetime.fromisoformat(moment).timestamp() if moment else None
