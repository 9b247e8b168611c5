"""Events are worked on when their calls have been answered: one at a time in each process, in a thread that it has
anyway.

Nothing depends on it. What is forgotten here, because the process ended or too many wait, the sweep of the inbox takes
when its minute is over.
"""

from __future__ import annotations

from collections import deque
from threading import Lock
from time import monotonic, sleep

from django.utils import timezone

from bookings import inbox

MOST_WAITING = 1000
"""What comes beyond is left to the sweep."""
PAUSE, MOST_PAUSE_S = 2, 0.5
"""After an event during which others came, it rests so many times as long as that took: answers go first."""

waiting: deque[int] = deque()
turn = Lock()


def note(event_id: int) -> None:
    """This event is to be worked on."""
    if len(waiting) < MOST_WAITING:
        waiting.append(event_id)


def work_off() -> None:
    """Work on what waits, the oldest first; nothing where another thread is at it: it takes these, too."""
    while waiting and turn.acquire(blocking=False):
        try:
            while waiting:
                _work_on(waiting.popleft())
        finally:
            turn.release()


def _work_on(event_id: int) -> None:
    began, others = monotonic(), len(waiting)
    inbox.process(event_id, timezone.now())
    if len(waiting) > others:
        sleep(min(PAUSE * (monotonic() - began), MOST_PAUSE_S))
