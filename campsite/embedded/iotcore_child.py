"""The process of the broker: run as a script with its configuration file. It ends when its standard input is closed."""

import logging
import os
import sys
import threading

from iotcore import IotCoreBroker


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)  # it reports every packet as an error
    threading.Thread(target=_end_with_parent, daemon=True).start()
    IotCoreBroker(config_path=sys.argv[1]).run_forever()
