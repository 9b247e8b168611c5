// What is true of a meter at a moment: pure functions of the store. The same order of questions as meters/online.py.

const IDLE_BELOW_W = 5;
const SOON_FROZEN_MS = 3600_000; // as VALUES_FROZEN_AFTER in meters/models/measurements.py
const DELIBERATE = new Set(["removed", "disabled", "left"]);

/** Whether nobody misses a meter: it was removed from Zigbee2MQTT and hangs on no pitch. */
export const isGone = (meter) => meter.removed && !meter.pitches.length;

/** Whether anything is being heard at all. */
export function isLinked(worker, now) {
  return worker.connected && now < worker.until;
}

/** Whether this area is being heard (its id; null: of what is in none): each may have a worker of its own. */
export function isHeard(store, area, now) {
  return isLinked(store.worker, now) && !store.worker.unheard?.includes(area);
}

/** {status: online|offline|unknown, reason: a key of the reasons}. */
function statusOf(meter, store, now) {
  if (DELIBERATE.has(meter.reason)) return { status: "offline", reason: meter.reason };
  if (!isHeard(store, meter.area, now)) return { status: "unknown", reason: store.worker.is_kept ? "kept" : "worker" };
  const area = store.areas.get(meter.area);
  if (area?.bridge === "offline") return { status: "offline", reason: "bridge" };
  if (area && area.bridge !== "online") return { status: "unknown", reason: "bridge_unknown" };
  if (meter.online === "online" && now >= meter.online_until) return { status: "offline", reason: "silent" };
  return { status: meter.online, reason: meter.reason };
}

/** All that a tile and its card say: state (load, idle, on, off, offline, unknown), reason, wish, sign, isOld … */
export function describe(meter, store, now) {
  const { status, reason } = statusOf(meter, store, now);
  const frozenFor = _frozenFor(meter, now);
  const isOld = status !== "online" || frozenFor !== null;
  const state = status === "online" ? _switchState(meter, isOld) : status;
  const area = store.areas.get(meter.area);
  const wish = wishOf(meter, status === "online");
  const isWatched = !area || area.in_service;
  return {
    meter,
    state,
    status,
    reason: status === "online" && state === "unknown" ? "relay_unreported" : reason,
    isOld,
    frozenFor,
    wish,
    sign: signOf(wish),
    isOtherwise: wish.startsWith("should_"),
    isProblem:
      isWatched && !isGone(meter) && reason !== "disabled" && (wish.startsWith("should_") || status !== "online" || state === "unknown" || isOld),
  };
}

function _switchState(meter, isOld) {
  if (meter.relay === false) return "off";
  const isTold = !isOld && meter.power_w !== null;
  if (isTold && Math.abs(meter.power_w) >= IDLE_BELOW_W) return "load"; // watts prove it
  if (meter.relay === null && meter.has_relay) return "unknown";
  return isTold ? "idle" : "on"; // without watts nobody knows whether it is used
}

// Power may rightly stand still for days (nothing plugged in), a voltage never does: only when all three stand still
// is the meter stuck.
function _frozenFor(meter, now) {
  const newest = Math.max(meter.power_at ?? 0, meter.voltage_at ?? 0, meter.current_at ?? 0, meter.phases_at ?? 0);
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
  if (wanted === "on") return ["load", "idle", "on"].includes(seen.state);
  if (wanted === "otherwise") return seen.isOtherwise;
  return wanted === "problem" ? seen.isProblem : seen.state === wanted;
}

// --- what is wanted ---

const OPEN = new Set(["queued", "sent", "acknowledged"]);

export const isOpen = (command) => command !== null && OPEN.has(command.status);

/** Beside what is, a key of the words: the same rule as in meters/wishes.py. Here it is followed between the server's
 *  messages, too: when the link is lost a command that waits is not "being switched". */
export function wishOf(meter, isOnline) {
  const { command, want, wanted, relay } = meter;
  const isMoving = isOpen(command) && !command.failure && (isOnline || command.status !== "queued");
  if (isMoving) return command.state ? "being_switched_on" : "being_switched_off";
  if (!want) return "";
  if (want.hold === "load") return "should_off_load";
  if (relay === wanted) return "";
  return `${wanted ? "should_on" : "should_off"}${relay === null || !isOnline ? "_unknown" : ""}`;
}

/** The sign of a wish: switching, should_on, should_off, "". */
export const signOf = (wish) => (wish.startsWith("being_") ? "switching" : wish.match(/^should_o(n|ff)/)?.[0] ?? "");

/** How far a command has come: [{step, at, mark: done | now | failed | skipped | later}]. */
export function grades(command) {
  const load = command.load === "none" ? command.load_at : null;
  const steps = [
    ["waiting", command.created_at],
    ["sent", command.sent_at],
    ["acknowledged", command.acknowledged_at],
    ["confirmed", command.confirmed_at],
    ...(command.state ? [] : [["no_load", load]]),
  ];
  const reached = steps.findLastIndex(([, at]) => at !== null);
  const isFailed = command.failure !== "" && (!isOpen(command) || command.not_before !== null);
  const isMoving = isOpen(command) || (command.status === "confirmed" && command.load === "");
  const next = isFailed ? "failed" : isMoving ? "now" : command.load === "unknown" ? "skipped" : "later";
  return steps.map(([step, at], index) => ({
    step,
    at,
    mark: index <= reached ? (at === null ? "skipped" : "done") : index === reached + 1 ? next : "later",
  }));
}

/** Whether a command can still be called back: it is not under way. */
export const isCancellable = (command) =>
  command !== null && command.status === "queued" && !command.automatic && (command.attempts === 0 || command.not_before !== null);

/** The meters that this area would switch if it did not merely observe: {on: [meter], off: [meter]}. */
export function wouldSwitch(meters, area) {
  return area.acts ? _byDirection([]) : _byDirection(_heldBy(meters, "observe", "stopped"));
}

/** The meters that are switched once the stop is released: {on: [meter], off: [meter]}. */
export function heldByStop(meters, areas) {
  return _byDirection(_heldBy(meters, "stopped").filter((meter) => areas.get(meter.area)?.acts));
}

const _heldBy = (meters, ...holds) => meters.filter((meter) => holds.includes(meter.want?.hold));

function _byDirection(meters) {
  return { on: meters.filter((meter) => meter.wanted), off: meters.filter((meter) => !meter.wanted) };
}

export const isThrough = (order) => order.waiting + order.offline + order.under_way === 0;

/** The meters whose last command, of this order, came to nothing. */
export function failedOf(order, meters) {
  const isFailed = ({ command }) => command?.order === order.id && (command.status === "failed" || command.status === "expired");
  return [...meters].filter(isFailed);
}

/** The next 22:00 of the campsite, as its clock shows it: "2026-07-01T22:00". */
export function nextEvening(now, zone) {
  const day = (ms) => new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short" }).format(ms);
  const hour = Number(new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", hourCycle: "h23" }).format(now));
  return `${hour < 22 ? day(now) : _dayAfter(day(now))}T22:00`;
}

function _dayAfter(day) {
  const next = new Date(`${day}T12:00Z`);
  next.setUTCDate(next.getUTCDate() + 1);
  return next.toISOString().slice(0, 10);
}

/** {all, online, watts, lacking}: power is of those that tell it now, `lacking`: how many it is without; null: of all. */
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
  if (sum.lacking === sum.all) sum.watts = null;
  return sum;
}
