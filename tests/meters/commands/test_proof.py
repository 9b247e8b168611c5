"""What the meters' own words prove, through the real ingest: echo, answer, load."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from meters import commands
from meters.commands import queue
from meters.commands.follow import LOAD_QUESTIONS
from meters.ingest import Ingest
from meters.models import AreaState, Command, Device, Meter, MeterState, Source
from tests import make
from tests.meters.messages import EXPOSES, IEEE, T0, inventory, listed, message, state

pytestmark = pytest.mark.django_db

B, B2 = "zigbee2mqtt", "zigbee2mqtt_area2"
FILTERED = {"device_options": {"filtered_cache": ["^state$", "^power$", "^current$", "^voltage$", "^energy$"]}}
CACHED: dict[str, Any] = {}
both = pytest.mark.parametrize("place", [FILTERED, CACHED], ids=["filtered", "cached"], indirect=True)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


class Place:
    """An area whose ingest is fed by hand; times in s after T0."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self.area = make.area(base_topic=B, reported={"configuration": configuration}, control="act")
        self.asked: dict[int, datetime] = {}
        self.ingest = Ingest(self.asked)
        self.ingest.process([inventory(B, listed("101,2"), minute=-10)])
        self.meter = Meter.objects.get(device__ieee_address=IEEE)
        self.answers(-300, state="OFF", current=0)

    def says(self, seconds: float, *, name: str = "101,2", **told: Any) -> None:
        self.ingest.process([state(B, name, seconds / 60, **told)])

    def answers(self, seconds: float, **told: Any) -> None:
        """As `says`, to a question of ours: its position is its own word then, whatever is cached."""
        self.asked[self.meter.pk] = at(seconds)
        self.says(seconds, **told)

    def complains(self, seconds: float, text: str, *, base: str = B, level: str = "error") -> None:
        self.ingest.process([message(f"{base}/bridge/logging", {"level": level, "message": text}, minute=seconds / 60)])

    @property
    def relay(self) -> bool | None:
        return MeterState.objects.get(meter=self.meter).relay

    def switch(self, on: bool = True) -> Command:
        """A command, published at T0."""
        want = make.want(self.meter, on, since=T0, created_at=T0)
        command = make.command(want, created_at=T0, expires_at=at(900))
        assert queue.claim(command.pk, self.area.pk, T0)
        queue.note_sent(command.pk, T0, T0)
        return command

    def ask(self, command: Command, seconds: float) -> None:
        queue.note_asked(command.pk, T0, at(seconds))
        self.asked[self.meter.pk] = at(seconds)

    def taken(self, on: bool = True) -> Command:
        """A command that was echoed after 0.5 s and asked for after 2 s."""
        command = self.switch(on)
        self.says(0.5, state="ON" if on else "OFF")
        self.ask(command, 2)
        return command

    def off(self) -> Command:
        """An OFF that was confirmed after 3 s; its load is still to be told."""
        self.answers(-200, state="ON", current=1.84)
        command = self.taken(False)
        queue.confirm(command.pk, T0, at(3))
        return command


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    return Place(getattr(request, "param", FILTERED))


def grade(command: Command) -> str:
    command.refresh_from_db()
    return command.status


# --- the echo --------------------------------------------------------------------------------------------------------


@both
def test_an_echo_acknowledges_and_is_no_report_of_the_relay(place: Place) -> None:
    command = place.switch()
    place.says(0.5, state="ON")
    assert grade(command) == "acknowledged"
    assert (command.acknowledged_at, place.relay) == (at(0.5), False)


@both
def test_the_first_message_repeats_the_old_state_and_fails_nothing(place: Place) -> None:
    command = place.switch()
    when = at(0.4).isoformat()
    place.says(0.4, state="OFF", last_seen=when)
    assert grade(command) == "sent"
    place.says(0.5, state="ON", last_seen=when)
    assert grade(command) == "acknowledged"
    assert place.relay is False


@both
def test_the_echo_carries_measurements_that_are_stored(place: Place) -> None:
    place.switch()
    place.says(0.5, state="ON", power=408)
    assert MeterState.objects.get().power_w == 408


@both
def test_a_message_without_a_position_proves_nothing(place: Place) -> None:
    command = place.taken()
    place.says(2.5, power=5)
    place.says(2.6, power=5, state=None)
    command.refresh_from_db()
    assert (command.status, command.read_state) == ("acknowledged", None)


def test_what_was_heard_before_it_was_sent_proves_nothing_and_is_no_echo(place: Place) -> None:
    command = place.switch()
    place.says(-1, state="ON")
    assert grade(command) == "sent"
    assert place.relay is True


@pytest.mark.parametrize("place", [CACHED], indirect=True)
def test_a_cached_position_is_no_report_and_its_meter_is_to_be_asked(place: Place) -> None:
    outcome = place.ingest.process([state(B, "101,2", 1, state="ON")])
    assert place.relay is False
    assert outcome.moved == {place.meter.pk}


@pytest.mark.parametrize("place", [CACHED], indirect=True)
def test_a_relay_that_moved_while_no_worker_listened_is_asked_too(place: Place) -> None:
    outcome = Ingest().process([state(B, "101,2", 1, state="ON")])
    assert outcome.moved == {place.meter.pk}


@both
def test_an_overtaken_commands_echo_is_no_report_either(place: Place) -> None:
    command = place.switch()
    queue.overtake([place.meter.pk], at(0.3))
    place.says(0.5, state="ON")
    assert (grade(command), place.relay) == ("superseded", False)


@both
def test_an_echo_while_the_next_attempt_waits_is_no_report(place: Place) -> None:
    """The network was busy: it comes after we gave the attempt up."""
    command = place.switch()
    place.ask(command, 35)
    queue.fail_attempt(command.pk, T0, Command.Failure.UNANSWERED, at(47))
    place.says(48, state="ON")
    assert place.relay is False


@both
def test_an_echo_after_the_last_attempt_was_given_up_is_no_report(place: Place) -> None:
    command = place.switch()
    Command.objects.update(attempts=queue.ATTEMPTS)
    queue.fail_attempt(command.pk, T0, Command.Failure.UNANSWERED, at(47))
    place.says(48, state="ON")
    assert (grade(command), place.relay) == ("failed", False)


@pytest.mark.parametrize("place", [CACHED], indirect=True)
def test_the_caches_repeats_of_an_echo_are_no_report_after_the_meter_did_not_tell(place: Place) -> None:
    """It takes commands and answers no question: nobody knows its position."""
    command = place.taken()
    queue.fail_attempt(command.pk, T0, Command.Failure.UNREAD, at(22))
    place.says(30, state="ON", power=0)
    assert place.relay is False


@both
def test_an_echo_that_comes_only_after_the_question_is_not_the_answer(place: Place) -> None:
    command = place.switch()
    place.ask(command, 35)
    place.says(36, state="ON")
    command.refresh_from_db()
    assert command.status != "confirmed"
    assert command.read_state is None
    assert place.relay is False


def test_a_press_of_the_button_is_believed_once_a_newer_command_is_settled(place: Place) -> None:
    """Off was confirmed after the overtaken ON: an ON after that is nobody's echo."""
    place.switch()
    queue.overtake([place.meter.pk], at(5))
    off = make.command(make.want(place.meter, False, Source.GUEST), created_at=at(5), expires_at=at(900))
    queue.claim(off.pk, place.area.pk, at(5))
    place.says(5.5, state="OFF")
    queue.note_asked(off.pk, at(5), at(7))
    place.says(8, state="OFF")
    place.says(60, state="ON")
    assert grade(off) == "confirmed"
    assert place.relay is True


# --- the answer ------------------------------------------------------------------------------------------------------


def test_where_positions_are_kept_out_of_the_cache_the_answer_confirms(place: Place) -> None:
    command = place.taken()
    place.says(2.3, state="ON")
    assert (grade(command), place.relay) == ("confirmed", True)
    assert command.confirmed_at == at(2.3)
    assert command.want.fulfilled_at == at(2.3)


@pytest.mark.parametrize("place", [CACHED], indirect=True)
def test_elsewhere_the_answer_is_noted_and_the_last_word_counts(place: Place) -> None:
    command = place.taken()
    place.says(2.3, state="ON")
    command.refresh_from_db()
    assert (command.status, command.read_state) == ("acknowledged", True)


@both
def test_a_stuck_relay_answers_with_the_old_position(place: Place) -> None:
    command = place.taken()
    place.says(2.3, state="OFF")
    command.refresh_from_db()
    assert (command.status, command.failure, command.claimed_at) == ("queued", "not_moved", None)
    assert command.not_before == at(35)
    assert place.relay is False
    assert command.want.fulfilled_at is None


@pytest.mark.parametrize("place", [CACHED], indirect=True)
def test_a_stuck_relays_poll_repeats_the_wanted_state_and_confirms_nothing(place: Place) -> None:
    """Within the seconds after the question, from the cache; then the relay itself answers."""
    command = place.taken()
    place.says(2.2, state="ON", power=0)
    place.says(2.6, state="OFF")
    command.refresh_from_db()
    assert (command.status, command.failure) == ("queued", "not_moved")
    assert place.relay is False


@pytest.mark.parametrize("place", [CACHED], indirect=True)
def test_a_repeat_of_the_cache_long_after_the_question_is_no_answer(place: Place) -> None:
    command = place.taken()
    place.says(7, state="ON", power=0)
    command.refresh_from_db()
    assert (command.status, command.read_state) == ("acknowledged", None)


@both
def test_nothing_is_confirmed_without_our_own_question(place: Place) -> None:
    command = place.switch()
    for seconds in (0.5, 1, 5, 20, 30):
        place.says(seconds, state="ON")
    assert (grade(command), place.relay) == ("acknowledged", False)


def test_an_answer_from_another_area_counts_all_the_same(place: Place) -> None:
    """The meter moved while the command was on its way: what it tells is its own word."""
    command = place.taken()
    make.area(base_topic=B2, reported={"configuration": FILTERED})
    place.ingest.forget()
    place.ingest.process([inventory(B2, listed("101,2")), state(B2, "101,2", 2.3 / 60, state="OFF")])
    command.refresh_from_db()
    assert (command.status, command.failure) == ("queued", "not_moved")


@both
def test_retained_and_cached_messages_prove_nothing(place: Place) -> None:
    command = place.taken()
    place.ingest.process([message(f"{B}/101,2", {"state": "ON", "linkquality": 9}, retained=True, minute=3 / 60)])
    place.ingest.process([message(f"{B}/101,2", {"state": "ON", "last_seen": T0.isoformat()}, minute=3 / 60)])
    command.refresh_from_db()
    assert (command.status, command.read_state) == ("acknowledged", None)


@both
def test_echo_and_answer_in_one_batch_are_told_apart_by_their_times(place: Place) -> None:
    command = place.switch()
    place.ask(command, 2)
    place.ingest.process(
        [
            state(B, "101,2", 0.4 / 60, state="OFF"),
            state(B, "101,2", 0.5 / 60, state="ON"),
            state(B, "101,2", 2.3 / 60, state="OFF"),
        ]
    )
    command.refresh_from_db()
    assert (command.failure, command.acknowledged_at, place.relay) == ("not_moved", at(0.5), False)


def test_a_relay_nobody_knew_is_known_by_the_answer(place: Place) -> None:
    MeterState.objects.update(relay=None, relay_at=None)
    command = place.taken()
    assert place.relay is None
    place.says(2.3, state="ON")
    assert (grade(command), place.relay) == ("confirmed", True)


def test_a_duplicate_of_the_answer_changes_nothing(place: Place) -> None:
    command = place.taken()
    place.says(2.3, state="ON")
    place.says(2.3, state="ON")
    assert (grade(command), command.confirmed_at) == ("confirmed", at(2.3))


def test_a_relay_that_cannot_be_asked_is_confirmed_by_its_own_report_after_the_echo(place: Place) -> None:
    Device.objects.update(relay_readable=False)
    place.ingest.forget()
    command = place.switch()
    place.says(0.5, state="ON")
    assert (grade(command), place.relay) == ("acknowledged", False)
    place.says(0.9, state="ON")
    assert (grade(command), place.relay) == ("confirmed", True)


# --- the load --------------------------------------------------------------------------------------------------------


def load(command: Command) -> str:
    command.refresh_from_db()
    return command.load


def test_a_zero_ends_the_question_of_the_load(place: Place) -> None:
    command = place.off()
    place.says(5, current=0)
    assert (load(command), command.status) == ("none", "confirmed")


def test_an_old_current_proves_nothing_while_a_zero_may_be_held_back(place: Place) -> None:
    command = place.off()
    place.says(5, current=1.84)
    place.says(14.9, current=1.84)
    assert load(command) == ""
    place.says(14.95, current=0)
    assert load(command) == "none"


def test_what_still_flows_after_the_zero_would_have_come_flows(place: Place) -> None:
    command = place.off()
    place.says(17.2, current=1.84)
    assert (load(command), command.status, command.failure, command.detail) == ("flowing", "failed", "load", "1.84 A")
    assert command.want.hold == "load"


def test_a_small_current_is_no_load(place: Place) -> None:
    command = place.off()
    place.says(17.2, current=0.09)
    assert load(command) == "none"


def test_a_forced_zero_of_the_power_proves_nothing(place: Place) -> None:
    """While its cached state is off, Zigbee2MQTT forces the power to 0, also of a welded relay."""
    command = place.off()
    place.says(17.2, power=0)
    assert load(command) == ""


def test_after_an_on_nobody_asks_for_the_load(place: Place) -> None:
    command = place.taken()
    place.says(2.3, state="ON", current=5)
    place.says(20, current=5)
    assert (load(command), command.status) == ("", "confirmed")


def test_a_number_that_is_no_phases_current_is_no_load(place: Place) -> None:
    command = place.off()
    place.says(17.2, current=0, current_limit=16)
    assert load(command) == "none"


def test_an_old_off_is_not_blamed_for_the_current_that_was_wanted_since(place: Place) -> None:
    off = place.off()
    on = commands.want(place.meter, Source.STAFF, True).commands.get()
    queue.claim(on.pk, place.area.pk, at(10))
    place.says(10.5, state="ON")
    queue.note_asked(on.pk, at(10), at(12))
    place.says(12.5, state="ON")
    place.says(18, current=1.84)
    assert (grade(on), grade(off)) == ("confirmed", "confirmed")


def test_the_current_after_a_press_of_the_button_fails_no_off(place: Place) -> None:
    """It went on by hand after it was off: that is drift, and no welded relay."""
    off = place.off()
    place.says(8, state="ON")
    place.says(18, current=1.84)
    assert grade(off) == "confirmed"


# --- the load where currents are cached ------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [CACHED], indirect=True)
def test_a_cached_zero_counts_once_the_first_question_is_answered_for_certain(place: Place) -> None:
    command = place.off()
    place.says(16.9, current=0)
    assert load(command) == ""
    place.says(17.1, current=0)
    assert load(command) == "none"


@pytest.mark.parametrize("place", [CACHED], indirect=True)
def test_a_cached_current_counts_once_a_zero_would_have_come_for_certain(place: Place) -> None:
    command = place.off()
    place.says(28.9, current=1.84)
    assert load(command) == ""
    place.says(29.1, current=1.84)
    assert (load(command), command.status) == ("flowing", "failed")


@pytest.mark.parametrize("place", [CACHED], indirect=True)
@pytest.mark.parametrize(("current", "held_s"), [(1.84, 0), (0, 0), (0, 11.2)])
def test_the_questions_of_the_load_are_enough_to_tell_it(place: Place, current: float, held_s: float) -> None:
    """Whether this converter holds a 0 back or not: asked as `follow` says, answered in a moment."""
    command = place.off()
    for question in LOAD_QUESTIONS:
        asked_at = at(3) + question
        queue.note_load_asked(command.pk, asked_at)
        place.says((asked_at - T0).total_seconds() + 0.3 + held_s, current=current)
    assert load(command) == ("flowing" if current else "none")


# --- three phases ----------------------------------------------------------------------------------------------------

PHASES = [
    {"type": "numeric", "name": f"{quantity}_{phase}", "property": f"{quantity}_{phase}", "unit": unit, "access": 1}
    for phase in "abc"
    for quantity, unit in [("power", "W"), ("current", "A"), ("voltage", "V")]
]


def three_phases(place: Place) -> Command:
    definition = {"model": "SPM", "vendor": "x", "exposes": [EXPOSES[0], *PHASES]}
    place.ingest.process([inventory(B, listed("101,2", definition=definition), minute=-6)])
    patterns = ["^state$", *(f"^current_{phase}$" for phase in "abc")]
    AreaState.objects.update(configuration={"device_options": {"filtered_cache": patterns}})
    place.ingest.forget()
    place.answers(-200, state="ON", current_a=1, current_b=1, current_c=1)
    command = place.taken(False)
    place.says(3, state="OFF")
    assert grade(command) == "confirmed"
    return command


def test_one_phase_that_flows_flows(place: Place) -> None:
    command = three_phases(place)
    place.says(17, current_a=0, current_b=0, current_c=2.5)
    assert (load(command), command.detail) == ("flowing", "2.50 A")


def test_three_phases_without_current_are_no_load(place: Place) -> None:
    command = three_phases(place)
    place.says(17, current_a=0, current_b=0, current_c=0)
    assert load(command) == "none"


def test_one_phase_without_current_says_nothing_of_the_others(place: Place) -> None:
    """Phases come in messages of their own."""
    command = three_phases(place)
    place.says(17, current_a=0)
    assert load(command) == ""
    place.says(17.5, current_b=2.5)
    assert load(command) == "flowing"


def test_a_welded_three_phase_relay_is_held_until_no_phase_flows(place: Place) -> None:
    command = three_phases(place)
    place.says(17, current_a=0, current_b=0, current_c=2.5)
    command.want.refresh_from_db()
    assert command.want.hold == "load"
    make.worker()
    commands.correct(at(20), T0)
    command.want.refresh_from_db()
    assert command.want.hold == "load"
    place.says(60, current_a=0, current_b=0, current_c=0)
    commands.correct(at(61), T0)
    command.want.refresh_from_db()
    assert command.want.hold == ""
