"""The queue between the thread that receives and the one that stores."""

import threading
import time
from datetime import UTC, datetime

from meters import mqtt
from meters.inbox import Inbox, collecting_s
from tests.meters.harness import until

PATIENCE_S = 30.0


def message(number: int, size: int = 1) -> mqtt.Message:
    return mqtt.Message("t", bytes(size), 1, False, datetime.now(UTC), 1, number)


def numbers(taken: list[mqtt.Message]) -> list[int]:
    return [each.packet_id for each in taken]


def test_messages_are_taken_in_their_order_and_no_more_than_are_wanted() -> None:
    inbox = Inbox(10, 1000)
    assert all(inbox.put([message(number)], 0) for number in range(5))
    assert numbers(inbox.take(3)) == [0, 1, 2]
    assert numbers(inbox.take(3)) == [3, 4]
    assert inbox.take(3) == []


def test_a_full_one_takes_no_more_until_some_were_taken() -> None:
    inbox = Inbox(2, 1000)
    assert inbox.put([message(1)], 0)
    assert inbox.put([message(2)], 0)
    assert not inbox.put([message(3)], 0)
    network = threading.Thread(target=inbox.put, args=[[message(3)], PATIENCE_S])
    network.start()
    assert numbers(inbox.take(1)) == [1]
    network.join(PATIENCE_S)
    assert numbers(inbox.take(9)) == [2, 3]


def test_what_was_taken_counts_until_it_is_stored() -> None:
    inbox = Inbox(10, 1000)
    inbox.put([message(1, 2000)], 0)
    taken = inbox.take(9)
    assert inbox.is_full
    assert not inbox.put([message(2)], 0)
    inbox.let_go(taken)
    assert inbox.put([message(2)], 0)


def test_who_waits_for_several_is_told_when_there_are_so_many() -> None:
    inbox, told = Inbox(10, 1000), threading.Event()
    storing = threading.Thread(target=lambda: inbox.wait(3, PATIENCE_S) and told.set())
    storing.start()
    for number in range(3):
        assert not told.is_set()
        inbox.put([message(number)], 0)
    storing.join(PATIENCE_S)
    assert told.is_set()
    assert not inbox.wait(4, 0)


def test_who_waits_for_several_takes_what_there_is_once_there_is_a_hurry() -> None:
    inbox, told = Inbox(10, 1000), list[bool]()
    inbox.put([message(0)], 0)
    storing = threading.Thread(target=lambda: told.append(inbox.wait(3, 3600)), daemon=True)
    storing.start()
    until(lambda: inbox.hurry() or told, "the end of its waiting")  # which may not have begun at the first
    assert told == [False]
    assert numbers(inbox.take(9)) == [0]


def test_a_hurry_ends_no_waiting_for_the_first() -> None:
    inbox, told = Inbox(10, 1000), list[bool]()
    storing = threading.Thread(target=lambda: told.append(inbox.wait(1, PATIENCE_S)))
    storing.start()
    inbox.hurry()
    inbox.put([message(0)], 0)
    storing.join(PATIENCE_S)
    assert told == [True]


def test_the_oldest_is_the_first_that_waits() -> None:
    inbox = Inbox(10, 1000)
    assert inbox.oldest is None
    first = message(1)
    inbox.put([first], 0)
    inbox.put([message(2)], 0)
    assert inbox.oldest == first.received_at


def test_it_is_told_how_long_the_first_has_waited() -> None:
    inbox, begun = Inbox(10, 1000), time.monotonic()
    assert inbox.waited_s == 0
    inbox.put([message(0)], 0)
    after = time.monotonic()
    inbox.put([message(1)], 0)
    assert time.monotonic() - after <= inbox.waited_s <= time.monotonic() - begun
    inbox.take(9)
    assert inbox.waited_s == 0
    emptied = time.monotonic()
    inbox.put([message(2)], 0)
    assert inbox.waited_s <= time.monotonic() - emptied


def test_a_batch_collects_until_its_first_message_can_still_be_stored_in_time() -> None:
    assert collecting_s(1.0, 0.25, 0.0) == 0.75
    assert collecting_s(1.0, 0.25, 0.5) == 0.25, "what came while another batch was stored has waited already"
    assert collecting_s(1.0, 0.25, 2.0) < 0, "late: it goes at once"
    assert collecting_s(1.0, 3600.0, 0.0) == 0.5, "after an outage batches are no single messages"
