"""What the meters measured. The only package that writes Reading, MeterState, CounterEpoch, QuarantinedReading,
HourlyUsage and DailyUsage; all but the last change in one transaction.

Exact under repetition: a report that comes twice changes nothing. Exact under lateness: hours end up as if it had come
in order.
"""

from meters.readings.latest import Report
from meters.readings.store import store
from meters.readings.tables import note_position, prune_quarantined

__all__ = ["Report", "note_position", "prune_quarantined", "store"]
