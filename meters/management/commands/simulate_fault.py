"""Gives the running simulation some trouble, and prints what it answered."""

import json
from argparse import ArgumentParser
from queue import Empty, SimpleQueue
from secrets import token_hex
from threading import Event
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from meters import mqtt

ANSWER_WITHIN_S = 5.0
EXAMPLES = (
    "For example: zigbee2mqtt 101 offline | zigbee2mqtt 101 load watts=800 | zigbee2mqtt all mass_loss share=0.5 | "
    "zigbee2mqtt 101 press on=false | zigbee2mqtt 101 energy raw=0 | zigbee2mqtt 101 rename to=101x | "
    "zigbee2mqtt adapter kill | zigbee2mqtt adapter start | "
    "zigbee2mqtt adapter backup_silent (or _refused, _broken, _ok)"
)


class Command(BaseCommand):
    help = "Cause a fault in the running simulation. " + EXAMPLES
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("base_topic", help="such as zigbee2mqtt_area2")
        parser.add_argument("device", help="name, address, index, all or adapter")
        parser.add_argument("fault", help="ok, offline, deaf, refuse, stuck, press, load, energy, …")
        parser.add_argument("values", nargs="*", metavar="name=value", help="values of the fault, as JSON or text")

    def handle(self, *args: Any, **options: Any) -> None:
        values = dict(_value(text) for text in options["values"])
        payload = json.dumps({"cmd": options["fault"]} | values)
        answer = _ask(options["base_topic"], options["device"].replace("/", "_"), payload)
        if "error" in answer:
            raise CommandError(answer["error"])
        if answer.get("matched") == 0:
            raise CommandError(f"No device {options['device']!r} in {options['base_topic']}.")
        self.stdout.write(json.dumps(answer, ensure_ascii=False))


def _value(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator:
        raise CommandError(f"{text!r} is not name=value.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _ask(base_topic: str, target: str, payload: str) -> dict[str, Any]:
    """Publish, and wait for the simulation's answer."""
    answers: SimpleQueue[mqtt.Message] = SimpleQueue()
    connected = Event()
    client = mqtt.Client(
        settings.MQTT_URL,
        f"simulate-fault-{token_hex(4)}",
        on_messages=mqtt.one_by_one(answers.put),
        topics=lambda: [(f"sim/{base_topic}/reply", 0)],
        on_connect=connected.set,
    )
    client.start()
    try:
        if not connected.wait(ANSWER_WITHIN_S):
            raise CommandError(f"The broker at {client.address} does not answer.")
        client.publish(f"sim/{base_topic}/{target}", payload)
        found: dict[str, Any] = json.loads(answers.get(timeout=ANSWER_WITHIN_S).payload)
    except Empty:
        raise CommandError("No answer: is `manage.py simulate` running, with this area?") from None
    finally:
        client.stop()
    return found
