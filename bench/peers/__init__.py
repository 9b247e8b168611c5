"""What people would use instead, beside us: the same messages, broker, database server, settings and run.

`python -m bench.peers.installing` fetches the peers beforehand, `python -m bench.peers.race` measures, `python -m
bench.peers.failures` breaks things. docs/peers.md tells what was found, and what is fair about it.
"""
