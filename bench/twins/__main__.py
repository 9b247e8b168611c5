"""Six real Zigbee2MQTTs on simulated radios for half an hour, and whether what the product says of them is true:
`python -m bench.twins [--minutes 30 --areas 6 --devices 40 --seed 1 --json FILE]`.

A script of faults made from the seed: devices go off the air, get deaf or stuck, are pressed, leave, join, are renamed,
move from area to area, have their counters set back; a radio is lost, a Zigbee2MQTT killed, the broker restarted; and
meanwhile power is wanted. Our worker, web and qcluster are processes as they are deployed. Each minute all that an open
board shows is compared with what the radios are, with the page and the API, and each command with what became of it.
What differs and is not explained by what the product promises is looked at again after some seconds; what still differs
then is a fault. Exit code 1 if there is any.

The twin is found as the tests find it: TWIN_DIR, else ../shared/twin.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from bench.run import django
from bench.sockets import staffs_cookies
from bench.twins.acts import Acts
from bench.twins.looks import Looks
from bench.twins.report import Report
from bench.twins.script import Script
from bench.twins.site import Site
from bench.twins.truth import Finding
from bench.webhook import web
from tests.conftest import twin_directory
from tests.meters.harness import OwnServices
from tests.meters.surroundings import services_and_broker

MINUTE_S = 60.0
REPORTED_S = 4.0
"""After all counters were told: by then the board shows them."""
LOOK_AGAIN_S = 12.0


def watch(site: Site, script: Script, report: Report) -> None:
    """Do what the script says, and look each minute; at what is not explained again some seconds later."""
    report.began = time.time()
    next_look = report.began + MINUTE_S
    acts, looks = Acts(site, script.steps, report.began, report.say), Looks(site)
    doubtful: list[Finding] = []
    look_again = never = float("inf")
    while (now := time.time()) < report.began + script.minutes * MINUTE_S or look_again < never:
        acts.tick()
        if now >= next_look:
            next_look += MINUTE_S
            site.report_counters()
            time.sleep(REPORTED_S)
            values, found = looks.compare()
            report.note_minute(acts.take_done(), values, found, looks.shares())
            doubtful = [finding for finding in found if not finding.why]
            look_again = time.time() + LOOK_AGAIN_S if doubtful else never
        elif now >= look_again:
            report.note_second_look(doubtful, looks.compare()[1], looks.contexts())
            look_again = never
        time.sleep(0.05)
    board = site.product.board
    report.notes["requests that Zigbee2MQTT refused"] = site.ear.refused
    report.notes["the open board"] = f"asked again {board.asked_again} times, came back {board.came_back} times"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--areas", type=int, default=6)
    parser.add_argument("--devices", type=int, default=40, help="of each area")
    parser.add_argument("--every", type=int, default=60, help="seconds from one report of a device to the next")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    script = Script(words.areas, words.devices, words.minutes, words.seed)
    report = Report()
    with services_and_broker("mosquitto", OwnServices) as (services, broker), ExitStack() as stack:
        assert isinstance(services, OwnServices)
        database_url = services.new_database()
        django(services, database_url)
        port = stack.enter_context(web(database_url, "campsite.asgi:application"))
        site = Site(services, broker, database_url, twin_directory(), words.areas, words.devices, words.every)
        stack.callback(site.end)
        site.begin(port, staffs_cookies(1)[0])
        watch(site, script, report)
    report.show()
    if words.json:
        words.json.write_text(json.dumps(report.told(), indent=1, default=str))
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
