"""The site that talks: its areas, its meters, and what each of them has measured at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass

from meters.simulation import configuration
from tests.meters import harness


@dataclass(frozen=True)
class Site:
    """`meters` in all areas together, dealt in turn. What a meter tells depends on nothing but itself and the time."""

    areas: int = 6
    meters: int = 300
    seed: int = 1
    prefix: str = "bench"

    def base(self, area: int) -> str:
        return f"{self.prefix}_{area}"

    def area_of(self, meter: int) -> int:
        return meter % self.areas

    def ieee(self, meter: int) -> str:
        return f"0xa4c138{self.seed % 0x10000:04x}{meter + 1:06x}"

    def name(self, meter: int) -> str:
        return f"{101 + meter // 3},{1 + meter % 3}"

    def topic(self, meter: int) -> str:
        return f"{self.base(self.area_of(meter))}/{self.name(meter)}"

    def mean_w(self, meter: int) -> int:
        return 1250 + (meter * 7919 + self.seed * 104729) % 900

    def power_w(self, meter: int, at_ms: int) -> int:
        return self.mean_w(meter) + (at_ms // 1000 + meter) % 101 - 50

    def counter_wh(self, meter: int, ms: int) -> int:
        """So many milliseconds after its start, a hundred days at most; it steps by 0.01 kWh."""
        return 1_000_000 + meter % 1000 * 1000 + 10 * (self.mean_w(meter) * ms // 36_000_000)

    def announcement(self, area: int) -> dict[str, str]:
        """What is retained, by topic: online, configured as docs/zigbee2mqtt.md recommends, with all its devices."""
        mine = [meter for meter in range(self.meters) if self.area_of(meter) == area]
        devices = [harness.COORDINATOR, *(harness.listed(self.ieee(meter), self.name(meter)) for meter in mine)]
        mqtt = {"base_topic": self.base(area), "include_device_information": True, "version": 4}
        options = configuration.device_options(configuration.RECOMMENDED)
        told = {
            "state": {"state": "online"},
            "info": harness.info(mqtt=mqtt, device_options=options),
            "devices": devices,
        }
        return {f"{self.base(area)}/bridge/{name}": json.dumps(each) for name, each in told.items()}


def register(site: Site) -> None:
    """The areas' rows, and the worker is told. Needs Django; the meters come with the announcement."""
    from meters import notify
    from meters.models import Area

    bases = [site.base(area) for area in range(site.areas)]
    Area.objects.bulk_create(Area(name=base, slug=base, base_topic=base, in_service=True) for base in bases)
    notify.touch()
