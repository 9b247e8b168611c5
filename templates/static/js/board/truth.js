// What is true of a meter at a moment: pure functions of the store. The same order of questions as meters/online.py.

export const IDLE_BELOW_W = 5;
const SOON_FROZEN_MS = 3600_000; // as VALUES_FROZEN_AFTER in meters/views.py
const DELIBERATE = new Set(["removed", "disabled", "left"]);

/** Whether nobody misses a meter: it was removed from Zigbee2MQTT and hangs on no pitch. */
export const isGone = (meter) => meter.removed && !meter.pitches.length;

/** Whether anything is being heard at all. */
export function isLinked(worker, now) {
  return worker.connected && now < worker.until;
}

/** {status: online|offline|unknown, reason: a key of the reasons}. */
export function statusOf(meter, store, now) {
  if (DELIBERATE.has(meter.reason)) return { status: "offline", reason: meter.reason };
  if (!isLinked(store.worker, now)) return { status: "unknown", reason: "worker" };
  const area = store.areas.get(meter.area);
  if (area?.bridge === "offline") return { status: "offline", reason: "bridge" };
  if (area && area.bridge !== "online") return { status: "unknown", reason: "bridge_unknown" };
  if (meter.online === "online" && now >= meter.online_until) return { status: "offline", reason: "silent" };
  return { status: meter.online, reason: meter.reason };
}

/** All that a tile and its card say: state (load, idle, off, offline, unknown), reason, isOld, isProblem … */
export function describe(meter, store, now) {
  const { status, reason } = statusOf(meter, store, now);
  const frozenFor = _frozenFor(meter, now);
  const isOld = status !== "online" || frozenFor !== null;
  const state = status === "online" ? _switchState(meter, isOld) : status;
  const area = store.areas.get(meter.area);
  const isWatched = !area || area.in_service;
  return {
    meter,
    state,
    status,
    reason: status === "online" && state === "unknown" ? "relay_unreported" : reason,
    isOld,
    frozenFor,
    isProblem:
      isWatched && !isGone(meter) && reason !== "disabled" && (status !== "online" || state === "unknown" || isOld),
  };
}

function _switchState(meter, isOld) {
  if (meter.relay === false) return "off";
  if (!isOld && meter.power_w !== null && Math.abs(meter.power_w) >= IDLE_BELOW_W) return "load"; // watts prove it
  return meter.relay === null && meter.has_relay ? "unknown" : "idle";
}

// Power may rightly stand still for days (nothing plugged in), a voltage never does: only when all three stand still
// is the meter stuck.
function _frozenFor(meter, now) {
  const newest = Math.max(meter.power_at ?? 0, meter.voltage_at ?? 0, meter.current_at ?? 0);
  return newest && now - newest > SOON_FROZEN_MS ? now - newest : null;
}

/** Name of each meter of a list (id → text): the pitch where only this meter hangs there, else its own name. */
export function labels(meters) {
  const uses = new Map();
  for (const meter of meters) for (const pitch of meter.pitches) uses.set(pitch, (uses.get(pitch) ?? 0) + 1);
  return new Map(meters.map((meter) => [meter.id, _label(meter, meter.pitches[0], uses)]));
}

function _label(meter, pitch, uses) {
  if (pitch === undefined) return meter.name;
  if (uses.get(pitch) === 1) return pitch;
  return meter.name.startsWith(pitch) ? meter.name : `${pitch} ${meter.name}`;
}

/** Whether a described meter passes the filter {area: slug, state, text}. Removed ones only when asked for. */
export function passes(seen, label, area, filter) {
  if (filter.area && area?.slug !== filter.area) return false;
  if (!isInState(seen, filter.state)) return false;
  if (!filter.text) return true;
  const { name, ieee, pitches } = seen.meter;
  return [label, name, ieee, ...pitches].join("\n").toLocaleLowerCase().includes(filter.text.toLocaleLowerCase());
}

export function isInState(seen, wanted) {
  if (isGone(seen.meter) || wanted === "removed") return isGone(seen.meter) && wanted === "removed";
  if (!wanted) return true;
  if (wanted === "on") return seen.state === "load" || seen.state === "idle";
  return wanted === "problem" ? seen.isProblem : seen.state === wanted;
}

/** {all, online, watts, lacking}: power is of online meters only, `lacking`: how many it is without. */
export function totals(described) {
  const sum = { all: 0, online: 0, watts: 0, lacking: 0 };
  for (const seen of described) {
    if (isGone(seen.meter)) continue;
    const counts = !seen.isOld && seen.meter.power_w !== null;
    sum.all += 1;
    sum.online += seen.status === "online" ? 1 : 0;
    sum.watts += counts ? seen.meter.power_w : 0;
    sum.lacking += counts ? 0 : 1;
  }
  return sum;
}
