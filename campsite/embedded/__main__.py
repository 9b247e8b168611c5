"""python -m campsite.embedded server|manage: what script/server and script/manage run."""

import argparse
import sys

from campsite.embedded import command, server
from campsite.embedded.processes import Failed, Interrupted
from campsite.embedded.progress import say


def main(words: list[str]) -> int:
    try:
        if words[:1] == ["manage"]:
            return command.run(words[1:])
        return server.run(_options(words))
    except Failed as failed:
        say(str(failed))
        return 1
    except Interrupted:
        return 130


def _options(words: list[str]) -> server.Options:
    parser = argparse.ArgumentParser(prog="script/server", description="Everything for a try-out, until Ctrl-C.")
    parser.add_argument("server", choices=["server"], help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help="of the web pages; default: any free one, 8000 if it is")
    parser.add_argument(
        "--meters",
        type=int,
        help=f"to simulate; default: {server.USUAL_METERS}, none where MQTT_URL names a broker of yours",
    )
    parser.add_argument("--host", default=server.Options.host, help="to listen on (default %(default)s)")
    parser.add_argument("--fresh", action="store_true", help="first forget everything of earlier runs")
    given = vars(parser.parse_args(words))
    given.pop("server")
    return server.Options(**given)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
