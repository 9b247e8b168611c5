"""What zigbee-herdsman-converters 26.105.0 says of our three models: `definition` in bridge/devices."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import Any

from meters.simulation.site import type_of_device

ON_OFF = {"type": "binary", "value_off": "OFF", "value_on": "ON", "value_toggle": "TOGGLE"}
ALL, STATE, STATE_SET, SET = 7, 1, 3, 2
TIME_START = (
    'Reply to Tuya-specific time synchronization requests: "1970" - Reply with seconds since 1970/01/01 '
    '(recommended, should stop the device from asking), "2000" - Reply with seconds since 2000/01/01 (use if the '
    'weekday is wrong with 1970), "off" - Don\'t reply (use if replying causes too much traffic). Default for this '
    'device: "off"'
)
POLLED = (
    "This device does not support reporting electric measurements so it is polled instead. The default poll "
    "interval is 60 seconds, set to -1 to disable."
)


@cache
def of(kind: type_of_device) -> dict[str, Any]:
    """The definition; shared, so never changed."""
    return {"meter": _meter, "three_phase": _three_phase, "repeater": _repeater}[kind]()


@cache
def properties(kind: type_of_device) -> tuple[str, ...]:
    """Everything the device may publish, as its exposes name it; without linkquality."""
    found = [expose["features"][0] if "features" in expose else expose for expose in of(kind)["exposes"]]
    return tuple(expose["property"] for expose in found if expose["property"] != "linkquality")


def _definition(model: str, vendor: str, description: str, exposes: Any, options: Any) -> dict[str, Any]:
    return {
        "description": description,
        "exposes": [*exposes, _linkquality()],
        "model": model,
        "options": options,
        "source": "native",
        "supports_ota": vendor == "Tongou",
        "vendor": vendor,
        "version": "0.0.0",
    }


def _meter() -> dict[str, Any]:
    exposes = [
        _switch(ALL),
        _numeric("power", "Instantaneous measured power", "W"),
        _numeric("current", "Instantaneous measured electrical current", "A"),
        _numeric("voltage", "Measured electrical potential value", "V"),
        _numeric("energy", "Sum of consumed energy", "kWh"),
        _enum("power_outage_memory", "Recover state after power outage", ["on", "off", "restore"], ALL),
        _enum("indicator_mode", "Relay LED indicator mode", ["off", "on_off", "off_on"], STATE_SET),
    ]
    calibrated = [_calibration(name) for name in ("power", "current", "voltage", "energy")]
    options = [_time_start(), _poll_interval(), *chain.from_iterable(calibrated), _state_action()]
    text = "Din smart relay (with power monitoring via polling)"
    return _definition("TO-Q-SY1-JZT", "Tongou", text, exposes, options)


def _three_phase() -> dict[str, Any]:
    exposes = [_switch(STATE_SET), _numeric("energy", "Sum of consumed energy", "kWh")]
    exposes += [_phase("voltage", "Measured electrical potential value", p, "V") for p in "abc"]
    exposes += [_phase("power", "Instantaneous measured power", p, "W") for p in "abc"]
    exposes += [_phase("current", "Instantaneous measured electrical current", p, "A") for p in "abc"]
    options = [_time_start(), *_calibration("energy")]
    return _definition("STB3L-125-ZJ", "SUTON", "Zigbee DIN RCBO energy meter", exposes, options)


def _repeater() -> dict[str, Any]:
    return _definition("WG001", "Aeotec", "Range extender Zi", [], [])


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _named(name: str, description: str, access: int, **more: Any) -> dict[str, Any]:
    named = {"access": access, "description": description, "label": _label(name), "name": name}
    return named | {"property": name} | more


def _switch(access: int) -> dict[str, Any]:
    state = _named("state", "On/off state of the switch", access, **ON_OFF)
    return {"features": [state], "type": "switch"}


def _numeric(name: str, description: str, unit: str) -> dict[str, Any]:
    return _named(name, description, STATE, type="numeric", unit=unit)


def _phase(quantity: str, description: str, phase: str, unit: str) -> dict[str, Any]:
    return _numeric(f"{quantity}_{phase}", f"{description} (phase {phase.upper()})", unit)


def _enum(name: str, description: str, values: list[str], access: int) -> dict[str, Any]:
    return _named(name, description, access, type="enum", values=values)


def _linkquality() -> dict[str, Any]:
    limits = {"type": "numeric", "unit": "lqi", "value_max": 255, "value_min": 0}
    return _named("linkquality", "Link quality (signal strength)", STATE, category="diagnostic", **limits)


def _time_start() -> dict[str, Any]:
    return _enum("time_start", TIME_START, ["1970", "2000", "off"], SET)


def _poll_interval() -> dict[str, Any]:
    return _named("measurement_poll_interval", POLLED, SET, type="numeric", value_min=-1)


def _calibration(name: str) -> list[dict[str, Any]]:
    late = "takes into effect on next report of device."
    calibrates = f"Calibrates the {name} value (percentual offset), {late}"
    digits = (
        f"Number of digits after decimal point for {name}, {late} This option can only decrease the precision, "
        "not increase it."
    )
    return [
        _named(f"{name}_calibration", calibrates, SET, type="numeric", value_step=0.1),
        _named(f"{name}_precision", digits, SET, type="numeric", value_max=3, value_min=0),
    ]


def _state_action() -> dict[str, Any]:
    text = "State actions will also be published as 'action' when true (default false)."
    return _named("state_action", text, SET, type="binary", value_off=False, value_on=True)
