"""What our processes hold in memory: at their start, after a first load, and at its end; an hour of it with `--hour`.

400 messages a second, sixty times a campsite's real load, with a board open. What grows from the first load to the end
would grow on: script/soak looks for longer.
"""

from __future__ import annotations

from bench import cpu
from bench.generator import Site
from bench.run import Product, Run, generated
from bench.sockets import Sockets, staffs_cookies
from bench.table import Figure
from campsite.embedded.processes import Process

SITE = Site(meters=400)
PER_S, WARM_S, SECONDS, HOUR_S = 400, 30, 60, 3600


def measure(run: Run) -> list[Figure]:
    seconds = HOUR_S if run.hour else SECONDS
    with run.product() as product:
        worker, cluster, (web, port) = product.worker(), product.cluster(), product.web()
        product.settle(SITE)
        board = Sockets(port, staffs_cookies(1))
        try:
            board.open()
            ours = {"worker": worker, "web": web, "qcluster": cluster}
            first, warm, last = held(ours), after(product, ours, WARM_S), after(product, ours, seconds)
        finally:
            board.close()
    return [figure(name, seconds, first[name], warm[name], last[name]) for name in ours]


def figure(name: str, seconds: int, first_mb: float, warm_mb: float, last_mb: float) -> Figure:
    what = f"{name} after {seconds} s at {PER_S} messages a second"
    return Figure(what, last_mb, "MB", f"after {WARM_S} s", warm_mb, "≤ 1.1×", f"{first_mb:.0f} MB at the start")


def after(product: Product, ours: dict[str, Process], seconds: int) -> dict[str, float]:
    """What they hold once that load has been."""
    generated(product.generate(SITE, PER_S * seconds, PER_S), seconds + 120)
    return held(ours)


def held(ours: dict[str, Process]) -> dict[str, float]:
    """MB of each, its children included: qcluster's tasks run in some, which share most of what they hold."""
    return {name: sum(map(cpu.pss_mb, cpu.family(process.pid))) for name, process in ours.items()}
