"""The tables of the app, by subject. Each docstring names the one module that writes the table."""

from meters.models.areas import Area, AreaHealth, AreaState, FoundInstance
from meters.models.commands import AutomaticStop, BridgeRequest, Command, Order, Source, Want
from meters.models.devices import Device, Installation, Listing, Meter
from meters.models.measurements import (
    CounterEpoch,
    MeterState,
    OnlineSpan,
    QuarantinedReading,
    Reading,
    Snapshot,
    Watch,
)
from meters.models.pitches import Pitch
from meters.models.rollups import DailyUsage, HourlyUsage, ReadingDay
from meters.models.worker import RejectedMessage, WorkerState

__all__ = [
    "Area",
    "AreaHealth",
    "AreaState",
    "AutomaticStop",
    "BridgeRequest",
    "Command",
    "CounterEpoch",
    "DailyUsage",
    "Device",
    "FoundInstance",
    "HourlyUsage",
    "Installation",
    "Listing",
    "Meter",
    "MeterState",
    "OnlineSpan",
    "Order",
    "Pitch",
    "QuarantinedReading",
    "Reading",
    "ReadingDay",
    "RejectedMessage",
    "Snapshot",
    "Source",
    "Want",
    "Watch",
    "WorkerState",
]
