"""PostgreSQL, a Redis-compatible server and an MQTT broker out of pip wheels, for a try-out and for the tests.

Production brings its own services and never imports this package.
"""
