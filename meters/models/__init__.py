"""The tables of the app, by subject. Each docstring names the one module that writes the table."""

from meters.models.areas import Area, AreaHealth, AreaState, FoundInstance
from meters.models.devices import Device, Installation, Listing, Meter
from meters.models.measurements import (
    CounterEpoch,
    HourlyUsage,
    MeterState,
    OnlineSpan,
    QuarantinedReading,
    Reading,
    Watch,
)
from meters.models.pitches import Pitch
from meters.models.worker import RejectedMessage, WorkerState

__all__ = [
    "Area",
    "AreaHealth",
    "AreaState",
    "CounterEpoch",
    "Device",
    "FoundInstance",
    "HourlyUsage",
    "Installation",
    "Listing",
    "Meter",
    "MeterState",
    "OnlineSpan",
    "Pitch",
    "QuarantinedReading",
    "Reading",
    "RejectedMessage",
    "Watch",
    "WorkerState",
]
