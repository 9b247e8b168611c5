"""Six Zigbee2MQTTs that only talk, as fast as a broker takes it: `python -m bench.generator --count 100000`.

QoS 1 over raw sockets: a packet is one bytes formatting of a template, so that the load costs little beside what is
measured. The broker's acknowledgements are counted, and what it acknowledged is told (`Generator.ledger`).
`last_seen` is when it was sent, in milliseconds, or with `step_s` so long after the one before, from `hours_ago` on.
"""

from bench.generator.sender import Generator
from bench.generator.site import Site, register

__all__ = ["Generator", "Site", "register"]
