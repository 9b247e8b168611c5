"""The worker that one would write on an afternoon: `python -m bench.naive --prefix naive`.

paho and psycopg, and for each message three statements, each committed by itself: a row, the state of the meter, its
hour. Used by the benches as a reference: same broker, same database server, same messages. `create` makes its tables.
"""

from __future__ import annotations

import argparse
import json
import os
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

from tests.meters.harness import login

TABLES = """
CREATE TABLE naive_reading (
    id bigserial PRIMARY KEY, device varchar(32) NOT NULL, measured_at timestamptz NOT NULL, energy double precision,
    power double precision, voltage double precision, current double precision, state varchar(3), linkquality int);
CREATE INDEX ON naive_reading (device, measured_at);
CREATE TABLE naive_state (
    device varchar(32) PRIMARY KEY, measured_at timestamptz, energy double precision, power double precision,
    voltage double precision, current double precision, state varchar(3), linkquality int);
CREATE TABLE naive_hour (
    device varchar(32), hour timestamptz, first double precision, last double precision, readings int,
    PRIMARY KEY (device, hour));
"""
VALUES = ("energy", "power", "voltage", "current", "state", "linkquality")
READING = f"""
INSERT INTO naive_reading (device, measured_at, {", ".join(VALUES)})
VALUES (%(device)s, %(at)s, {", ".join(f"%({v})s" for v in VALUES)})
"""
STATE = f"""
INSERT INTO naive_state AS s (device, measured_at, {", ".join(VALUES)})
VALUES (%(device)s, %(at)s, {", ".join(f"%({v})s" for v in VALUES)})
ON CONFLICT (device) DO UPDATE SET measured_at = excluded.measured_at,
    {", ".join(f"{v} = coalesce(excluded.{v}, s.{v})" for v in VALUES)}
"""
HOUR = """
INSERT INTO naive_hour AS h (device, hour, first, last, readings)
VALUES (%(device)s, date_trunc('hour', %(at)s::timestamptz), %(energy)s, %(energy)s, 1)
ON CONFLICT (device, hour) DO UPDATE SET last = coalesce(excluded.last, h.last), readings = h.readings + 1
"""


def create(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute(TABLES)


def connect(database_url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(**login(database_url), autocommit=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prefix", default="naive", help="of the areas' base topics")
    parser.add_argument("--areas", type=int, default=6)
    told = parser.parse_args()
    database, parts = connect(os.environ["DATABASE_URL"]), urlsplit(os.environ["MQTT_URL"])

    def store(_client: object, _user: object, message: paho.MQTTMessage) -> None:
        if "/bridge/" in message.topic or message.retain:
            return
        told = json.loads(message.payload)
        row = {name: told.get(name) for name in VALUES} | {
            "device": told["device"]["ieeeAddr"],
            "at": told["last_seen"],
        }
        for statement in (READING, STATE, HOUR):
            database.execute(statement, row)

    def subscribe(client: paho.Client, *_: object) -> None:
        client.subscribe([(f"{told.prefix}_{area}/#", 1) for area in range(told.areas)])

    def ready(*_: object) -> None:
        print("subscribed", flush=True)

    client = paho.Client(CallbackAPIVersion.VERSION2, f"naive-{told.prefix}", False, protocol=paho.MQTTv311)
    client.username_pw_set(unquote(parts.username or ""), unquote(parts.password or ""))
    client.max_inflight_messages_set(0)
    client.on_connect = subscribe
    client.on_subscribe = ready
    client.on_message = store
    client.connect(parts.hostname or "", parts.port or 1883, 30)
    client.loop_forever()


if __name__ == "__main__":
    main()
