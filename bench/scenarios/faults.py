"""What happens to the site, and how it is mended."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from bench.scenarios.site import DISK_MB, Site

FUSED = 40


def nothing(site: Site) -> None:
    """What goes on by itself has no other beginning, or end."""


@dataclass(frozen=True)
class Fault:
    """`codes`: of the incidents that should tell of it, of the area `about`. `emergency`: the worker itself tells,
    in a sentence with this name in it, which the one that it is over has not.

    `goes_on`: done several times a second while it lasts, with the seconds since it began. `lasts_s`: at least so long
    it is left after people were told, to see whether they are told more.
    """

    name: str
    title: str
    codes: tuple[str, ...] = ()
    about: str = ""
    emergency: str = ""
    strike: Callable[[Site], None] = nothing
    mend: Callable[[Site], None] = nothing
    goes_on: Callable[[Site, float], None] | None = None
    lasts_s: float = 60.0
    gives_up_s: float = 600.0


# --- radios ----------------------------------------------------------------------------------------------------------


def blow_fuse(site: Site) -> None:
    for spec in site.radios["Row"].specs[:FUSED]:
        site.radios["Row"].poke(spec["ieee"], cmd="offline")


def put_fuse_in(site: Site) -> None:
    for spec in site.radios["Row"].specs[:FUSED]:
        site.radios["Row"].poke(spec["ieee"], cmd="ok")
        site.radios["Row"].poke(spec["ieee"], cmd="announce")


def pull_coordinator(site: Site) -> None:
    site.radios["Lake"].poke("adapter", cmd="disconnect")


def forget_pause(site: Site) -> None:
    _set_pause(site, 0)


def set_pause(site: Site) -> None:
    _set_pause(site, 15)


def _set_pause(site: Site, value: int) -> None:
    options = {"availability": {"active": {"pause_on_backoff_gt": value}}}
    site.radios["Hill"].request("options", options=options)


LONGEST_PERMIT_S = 254
_permitted_at = [0.0]


def permit(site: Site, passed_s: float) -> None:
    """An automation that never lets it close: Zigbee2MQTT itself opens for 254 s at most."""
    if time.time() - _permitted_at[0] > LONGEST_PERMIT_S - 30:
        _permitted_at[0] = time.time()
        site.radios["Hill"].request("permit_join", time=LONGEST_PERMIT_S)


def close_network(site: Site) -> None:
    site.radios["Hill"].request("permit_join", time=0)


SPAM_PER_S = 20
_spammed = [0]


def spam(site: Site, passed_s: float) -> None:
    radio = site.radios["Hill"]
    while _spammed[0] < passed_s * SPAM_PER_S:
        _spammed[0] += 1
        radio.poke(radio.specs[0]["ieee"], cmd="report", attrs=["activePower"])


# --- ourselves -------------------------------------------------------------------------------------------------------


def fill(site: Site) -> None:
    """A small file system of its own; it takes root. Raises CalledProcessError."""
    options = ["-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(site.disk)]
    subprocess.run(["mount", *options], check=True)
    (site.disk / "filling").write_bytes(bytes(int(0.95 * DISK_MB * 1024 * 1024)))


def empty(site: Site) -> None:
    subprocess.run(["umount", str(site.disk)], check=True)


def silence_webhook(site: Site) -> None:
    """Four weeks of events at every hour of the day; the last of them came ten days ago."""
    from django.utils import timezone

    from bookings import tokens
    from bookings.models import WebhookEvent, WebhookToken

    now = timezone.now()
    tokens.make("bench", None)
    last = now - timedelta(days=10)
    WebhookToken.objects.update(last_event_at=last, last_get_at=last, created_at=now - timedelta(days=60))
    WebhookEvent.objects.bulk_create(
        WebhookEvent(
            token=WebhookToken.objects.get(),
            received_at=last - timedelta(hours=number),
            body=b"",
            size=0,
            digest="",
            status=WebhookEvent.Status.APPLIED,
        )
        for number in range(28 * 24)
    )


def let_webhook_speak(site: Site) -> None:
    from django.utils import timezone

    from bookings.models import WebhookEvent, WebhookToken

    now = timezone.now()
    WebhookToken.objects.update(last_event_at=now, last_get_at=now)
    event = WebhookEvent.objects.order_by("-received_at").first()
    assert event
    WebhookEvent.objects.filter(pk=event.pk).update(received_at=now)


FAULTS = [
    Fault(
        name="fuse",
        title=f"fuse blows: {FUSED} of an area's 48 devices silent",
        codes=("many_silent",),
        about="Row",
        strike=blow_fuse,
        mend=put_fuse_in,
        lasts_s=17 * 60,
        gives_up_s=1200,
    ),
    Fault(
        name="coordinator",
        title="coordinator lost",
        codes=("coordinator_lost", "bridge_offline"),
        about="Lake",
        strike=pull_coordinator,
        mend=lambda site: site.restart_radio("Lake"),
    ),
    Fault(
        name="zigbee2mqtt",
        title="Zigbee2MQTT killed",
        codes=("bridge_offline",),
        about="Wood",
        strike=lambda site: site.radios["Wood"].kill(),
        mend=lambda site: site.restart_radio("Wood"),
    ),
    Fault(
        name="pause",
        title="Zigbee2MQTT configured without `pause_on_backoff_gt`",
        codes=("ping_cascade",),
        about="Hill",
        strike=forget_pause,
        mend=set_pause,
    ),
    Fault(
        name="spam",
        title="one meter sends 20 messages/s",
        codes=("chatters", "many_chatter"),
        about="Hill",
        goes_on=spam,
    ),
    Fault(
        name="permit",
        title="permit join left open (a notice; after 15 minutes a warning, from which on routes are usually told)",
        codes=("network_open",),
        about="Hill",
        goes_on=permit,
        mend=close_network,
        gives_up_s=1320,
    ),
    Fault(
        name="disk",
        title="disk nearly full: 5 % left of a small tmpfs",
        codes=("disk_full",),
        strike=fill,
        mend=empty,
    ),
    Fault(
        name="webhook",
        title="webhook silent for ten days of the season",
        codes=("webhook_silent",),
        strike=silence_webhook,
        mend=let_webhook_speak,
    ),
    Fault(
        name="redis",
        title="Redis stopped",
        codes=("redis_away",),
        strike=lambda site: site.services.valkey.stop(),
        mend=lambda site: site.services.valkey.start(),
    ),
    Fault(
        name="worker",
        title="worker killed",
        codes=("worker_silent",),
        strike=lambda site: site.kill_worker(),
        mend=lambda site: site.start_worker(),
    ),
    Fault(
        name="broker",
        title="broker stopped",
        codes=("broker_away",),
        strike=lambda site: site.broker.stop(),
        mend=lambda site: site.broker.start(),
    ),
    Fault(
        name="cluster",
        title="qcluster killed",
        codes=("jobs_wait",),
        emergency="qcluster",
        strike=lambda site: site.cluster.kill(),
        mend=lambda site: site.start_cluster(),
    ),
    Fault(
        name="database",
        title="database stopped",
        emergency="PostgreSQL",
        strike=lambda site: site.services.postgres.stop(),
        mend=lambda site: site.services.postgres.start(),
    ),
]
BESIDE = ("fuse", "coordinator", "zigbee2mqtt", "pause", "spam", "permit", "disk", "webhook")
"""These do not disturb each other; the others come one after another."""
