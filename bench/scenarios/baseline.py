"""What the usual means would say of each fault, as they are installed: from their documentation, not measured.

Uptime Kuma: a monitor asks each 60 s, and tells at the first failure (60 s and no retries are its form's defaults),
each monitor for itself; it sees what a monitor was made for. Here: one for each port and page around us, and one of
the type MQTT for each Zigbee2MQTT's `bridge/state`. Home Assistant with MQTT discovery: what its Zigbee2MQTT calls
unavailable is shown so, at once; it tells nobody until somebody has written an automation. Zigbee2MQTT's own
availability (off unless it is switched on): after ten minutes of silence a device is pinged, one after another.
"""

NOTHING = "Uptime Kuma: nothing. Home Assistant: nothing"

BASELINE = {
    "fuse": "Uptime Kuma: nothing. Home Assistant: from the tenth minute on one entity after another is unavailable, "
    "as its ping fails, which with a real radio takes 10 to 30 s each; tells nobody",
    "coordinator": "Uptime Kuma: the MQTT monitor, where its keyword is online, and one of Zigbee2MQTT's page, within "
    "60 s: two messages. Home Assistant: the area's entities are unavailable at once; tells nobody",
    "zigbee2mqtt": "the same, by the last will: at once, or after 90 s where the whole machine is gone",
    "pause": NOTHING,
    "spam": f"{NOTHING}; its recorder grows",
    "permit": "Uptime Kuma: nothing. Home Assistant: a switch of the bridge is on; tells nobody",
    "disk": "Uptime Kuma: nothing. Home Assistant: a sensor, where System Monitor was added; tells nobody",
    "webhook": NOTHING,
    "redis": "Uptime Kuma: a Redis monitor within 60 s. Home Assistant: nothing",
    "worker": "Uptime Kuma: only by our `/health/ready`, within 80 s. Home Assistant: nothing",
    "broker": "Uptime Kuma: a port monitor within 60 s, and each MQTT monitor: one message each. Home Assistant: all "
    "entities are unavailable at once; tells nobody",
    "cluster": "Uptime Kuma: only by our `/health/ready`, within 4 min. Home Assistant: nothing",
    "database": "Uptime Kuma: a PostgreSQL monitor within 60 s. Home Assistant: nothing",
}
