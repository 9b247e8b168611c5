"""A change of channel as the real Zigbee2MQTT tells it, on a simulated radio."""

from meters import requests
from meters.models import Area
from monitoring.channels import facts
from tests.meters import conftest
from tests.meters import test_twin as twins
from tests.meters.harness import until

pytestmark = twins.pytestmark
services, world = conftest.services, twins.world  # fixtures


def told() -> tuple[int | None, int | None]:
    """What is reported, and what waits for a restart."""
    (sight,) = facts.sights()
    return sight.reported, sight.pending


def test_a_new_channel_waits_for_the_restart_and_is_then_the_reported_one(world: twins.World) -> None:
    world.twin("radio", 1, "--channel", "11")
    world.workers.start()
    until(lambda: told() == (11, None), "the channel to be reported")
    area = Area.objects.get()
    requests.ask(area, "options", {"options": {"advanced": {"channel": 15}}})
    until(lambda: told() == (11, 15), "the new channel to wait")
    requests.ask(area, "restart", {})
    until(lambda: told() == (15, None), "the new channel to be used")
