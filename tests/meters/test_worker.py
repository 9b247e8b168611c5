"""What the worker's main thread tells the browsers without a message from anybody."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from meters.models import MeterState, Watch
from meters.worker import Worker
from tests import make

pytestmark = pytest.mark.django_db


def test_a_meter_that_turns_by_the_clock_alone_is_told_once(settings: Any) -> None:
    settings.MQTT_URL = "mqtt://127.0.0.1:1"  # nobody connects
    worker, now = Worker(), timezone.now()
    worker._state = make.worker()
    meter = make.meter(area=make.area())
    make.state(meter, heard_at=now - timedelta(hours=3))
    Watch.objects.update(since=now - timedelta(minutes=1))
    assert worker._watch(now) == {meter.pk}  # unknown: it is not heard yet since we listen
    assert worker._watch(now) == set()
    Watch.objects.update(since=now - timedelta(minutes=16))
    assert worker._watch(now) == {meter.pk}  # silent
    assert worker._watch(now) == set()
    MeterState.objects.update(heard_at=now)
    assert worker._watch(now) == {meter.pk}
