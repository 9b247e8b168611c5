"""What is wanted of relays, and the commands that make it so. The only package that writes Want, Order, Command and
AutomaticStop.

`wants` says what should be, `allowed` what may be, `audit` notes it; `drift` finds where it is not so; `queue` holds
the commands; `follow`, `pace` and `rules` are the pure rules; `proof` reads from the meters' own words what was done.
meters/dispatch.py sends what `errands` tells to be open; `orders` tells how far people's clicks have come.
"""

from meters.commands import orders, stop
from meters.commands.allowed import depends, serving, unswitchable
from meters.commands.drift import correct, would_switch
from meters.commands.errors import (
    AlreadyStopped,
    BadTime,
    Gone,
    KeyUsed,
    NeedsReason,
    NoRelay,
    NothingToSwitch,
    NotManaged,
    NotStopped,
    Protected,
    SwitchingError,
)
from meters.commands.proof import Proofs
from meters.commands.queue import NEWEST, close_overdue, forget_open, prune, waits_until
from meters.commands.wants import IN_FORCE, again, cancel, end, end_all, end_expired, in_force, order, renew, want

__all__ = [
    "IN_FORCE",
    "NEWEST",
    "AlreadyStopped",
    "BadTime",
    "Gone",
    "KeyUsed",
    "NeedsReason",
    "NoRelay",
    "NotManaged",
    "NotStopped",
    "NothingToSwitch",
    "Proofs",
    "Protected",
    "SwitchingError",
    "again",
    "cancel",
    "close_overdue",
    "correct",
    "depends",
    "end",
    "end_all",
    "end_expired",
    "forget_open",
    "in_force",
    "order",
    "orders",
    "prune",
    "renew",
    "serving",
    "stop",
    "unswitchable",
    "waits_until",
    "want",
    "would_switch",
]
