"""The services that nobody else provides: DATABASE_URL, REDIS_URL and MQTT_URL each replace one of ours."""

import os
from collections.abc import Callable
from contextlib import ExitStack

from campsite import environment
from campsite.embedded import mosquitto
from campsite.embedded.mosquitto import Mosquitto
from campsite.embedded.postgres import Postgres
from campsite.embedded.rumqttd import Iotcore
from campsite.embedded.state import State
from campsite.embedded.valkey import Valkey

Service = Postgres | Valkey | Mosquitto | Iotcore


def given(variable: str) -> str:
    """The address that the person set, found as the settings find it: in NAME or the file of NAME_FILE; else empty."""
    return str(environment.reader().str(variable, default=""))


class Services:
    """Started in order, stopped in the opposite one: whoever uses another one stops first."""

    def __init__(self, state: State, makers: dict[str, Callable[[State], Service]]) -> None:
        self.given = {variable: url for variable in makers if (url := given(variable))}
        self.ours = {variable: makers[variable](state) for variable in makers if variable not in self.given}
        self._stack = ExitStack()
        self._stack.callback(state.remove_sockets)

    def start(self) -> None:
        """Raises Failed; stop() is then still to be called."""
        for service in self.ours.values():
            self._stack.callback(service.stop)
            service.start()

    def stop(self) -> None:
        """Each is stopped, even when the stopping of another one fails."""
        self._stack.close()

    def started(self) -> list[Service]:
        return list(self.ours.values())

    def environment(self) -> dict[str, str]:
        """The addresses; and psql and pg_dump that fit the server, before all others."""
        found = self.given | {variable: service.url for variable, service in self.ours.items()}
        programs = [str(each.programs) for each in self.ours.values() if isinstance(each, Postgres)]
        return found | {"PATH": os.pathsep.join([*programs, os.environ.get("PATH", os.defpath)])}


def for_server(state: State) -> Services:
    broker = Mosquitto if mosquitto.program() else Iotcore
    return Services(
        state,
        {"DATABASE_URL": lambda state: Postgres(state, durable=True), "REDIS_URL": Valkey, "MQTT_URL": broker},
    )


def for_tests(state: State) -> Services:
    """Database and channel layer; tests start the brokers that they need."""
    return Services(state, {"DATABASE_URL": lambda state: Postgres(state, durable=False), "REDIS_URL": Valkey})
