// One section an area: its name, counts, what its Zigbee2MQTT told of itself, its tiles, its repeaters.

import { copy, element, setAttribute, setHidden, setText, symbol } from "./dom.js";
import { isHeard, isLinked, totals, wouldSwitch } from "./truth.js";
import { byName, clock, number, say, sayMany } from "./words.js";

export const SMALL = 6;

export class AreaSection {
  node = copy("area-template");
  tiles = this.node.querySelector(".tiles");
  #marks = this.node.querySelector(".marks");
  #repeaters = this.node.querySelector(".repeaters");
  #shownMarks = "";
  #shownRepeaters = "";
  #hooks;

  /** hooks: label(meter id), choose(): all of this area that is shown. */
  constructor(area, hooks) {
    this.#hooks = hooks;
    this.node.querySelector(".choose").addEventListener("click", () => hooks.choose(area.id));
    this.node.dataset.area = area.slug;
    this.node.querySelector("h2").id = `area-${area.id}`;
    this.node.setAttribute("aria-labelledby", `area-${area.id}`);
    const link = this.node.querySelector("a.area-name"); // only where the reader may see the area's page
    if (link && area.id !== null) link.href += `${area.id}/change/`;
    else link?.removeAttribute("href");
  }

  /** described: its meters; shown: how many of them the filter lets pass. */
  show(area, described, shown, isFiltered, store, now) {
    const part = (name) => this.node.querySelector(name);
    const sum = totals(described);
    const problem = area.in_service ? bridgeProblem(area, store, now) : "";
    setAttribute(this.node, "data-commissioning", area.in_service ? null : "");
    setText(part(".area-name"), area.name);
    setText(part("h2 small"), area.in_service ? "" : say("commissioning"));
    const count = say("area_online", { online: isHeard(store, area.id, now) ? sum.online : "–", all: sum.all });
    const power = sum.watts === null ? "" : `${number(sum.watts / 1000, 1)} kW`;
    const isPartial = sum.watts !== null && sum.lacking > sum.all - sum.online; // more than the count tells
    const lacking = isPartial ? say("total_lacking", { n: sum.lacking }) : "";
    const filtered = isFiltered ? say("area_shown", { shown }) : "";
    setText(part(".area-count"), [sum.all ? count : say("area_empty"), power, lacking, filtered].filter(Boolean).join(" · "));
    setText(part(".area-bridge"), problem);
    setHidden(part(".area-bridge"), !problem);
    setText(part(".area-facts"), facts(area).join(" · "));
    const isKnown = isHeard(store, area.id, now) && area.bridge === "online";
    this.#showMarks([...this.#switchingMarks(area, described), ...(area.in_service ? marks(area, isKnown) : [])]);
    this.#showRepeaters(area, store, now);
  }

  // What an area that observes would do, and what somebody left on the broker.
  #switchingMarks(area, described) {
    const { on, off } = wouldSwitch(described.map((seen) => seen.meter), area);
    const names = (meters) => meters.map((meter) => this.#hooks.label(meter.id)).sort(byName).join(" · ");
    const retained = area.retained_commands ?? [];
    return [
      ...(off.length ? [[sayMany("would_off", off.length), say("would_hint"), names(off)]] : []),
      ...(on.length ? [[sayMany("would_on", on.length), say("would_hint"), names(on)]] : []),
      ...(retained.length ? [[sayMany("retained", retained.length), say("retained_hint"), retained.join(" · ")]] : []),
    ];
  }

  /** Areas of few tiles share a line. */
  setCount(count) {
    setAttribute(this.node, "data-small", count <= SMALL ? "" : null);
  }

  #showMarks(list) {
    const wanted = JSON.stringify(list);
    if (wanted === this.#shownMarks) return;
    this.#shownMarks = wanted;
    this.#marks.replaceChildren(
      ...list.map(([text, hint, names]) => {
        const words = element("div", {}, element("p", { textContent: hint }));
        if (names) words.append(element("p", { className: "names", textContent: names }));
        const more = element("details", {}, element("summary", {}, symbol("warning"), text), words);
        return element("li", {}, more);
      }),
    );
  }

  #showRepeaters(area, store, now) {
    const known = isHeard(store, area.id, now) && area.bridge === "online";
    const list = store.devices
      .filter((device) => device.area === area.id && device.kind === "repeater")
      .map((device) => [device.name, known ? { true: "on", false: "offline" }[device.available] ?? "unknown" : "unknown"]);
    const wanted = JSON.stringify(list);
    if (wanted === this.#shownRepeaters) return;
    this.#shownRepeaters = wanted;
    setHidden(this.#repeaters, list.length === 0);
    const online = list.filter(([, state]) => state === "on").length;
    const title = `${say("repeaters")} ${say("area_online", { online: known ? online : "–", all: list.length })}`;
    const missing = list.filter(([, state]) => state === "offline").map((repeater) => _repeater("span", ...repeater));
    const all = list.map((repeater) => _repeater("li", ...repeater));
    const summary = element("summary", {}, symbol("repeater"), title, ...missing);
    this.#repeaters.replaceChildren(element("details", {}, summary, element("ul", {}, ...all)));
  }
}

function _repeater(tag, name, state) {
  const words = element("span", { className: "visually-hidden", textContent: ` (${say(`repeater_${state}`)})` });
  const node = element(tag, { className: "repeater" }, symbol(state), name, words);
  node.dataset.state = state;
  return node;
}

/** Above all areas: which of them cannot be heard, each a way to its tiles. Returns whether that changed. */
export function showSilentAreas(store, now) {
  const node = document.getElementById("silent-areas");
  const isSilent = (area) => isHeard(store, area.id, now) && bridgeProblem(area, store, now); // else the banner says it
  const silent = [...store.areas.values()].filter((area) => area.in_service && isSilent(area));
  const wanted = silent.map((area) => [`?area=${area.slug}`, `${area.name}: ${bridgeProblem(area, store, now)}`]);
  if (JSON.stringify(wanted) === node.dataset.shown) return false;
  node.dataset.shown = JSON.stringify(wanted);
  node.replaceChildren(...wanted.map(([href, textContent]) => element("a", { href, textContent })));
  setHidden(node, !wanted.length);
  return true;
}

function bridgeProblem(area, store, now) {
  if (!isLinked(store.worker, now)) return "";
  if (!isHeard(store, area.id, now)) return say("area_unheard");
  if (area.bridge === "online") return "";
  if (area.bridge === "unknown") return say("bridge_unknown");
  return area.bridge_since ? say("bridge_since", { since: clock(area.bridge_since, now) }) : say("bridge_offline");
}

function facts(area) {
  return [
    area.acts === undefined ? "" : say(area.acts ? "acts" : "observes"),
    area.version ? say("version", { version: area.version }) : "",
    area.channel === null ? "" : say("channel", { channel: area.channel }),
    area.backoff_safe === null ? say("backoff_unreported") : "",
    area.backoff_safe ? say("backoff", { value: area.pause_on_backoff_gt }) : "",
  ].filter(Boolean);
}

/** [text, explanation] of what a technician should look at; what passes by itself only while it `isKnown`. */
function marks(area, isKnown) {
  const found = [];
  const differs = area.channel !== null && area.expected_channel !== null && area.channel !== area.expected_channel;
  if (area.backoff_safe === false) {
    const value = area.pause_on_backoff_gt;
    found.push([value === null ? say("backoff_unset") : say("backoff", { value }), say("backoff_hint")]);
  }
  if (differs) {
    const values = { channel: area.channel, planned: area.expected_channel };
    found.push([say("channel_differs", values), say("channel_hint")]);
  }
  if (isKnown && area.permit_join) found.push([say("permit_join"), say("permit_join_hint")]);
  if (isKnown && area.restart_required) found.push([say("restart"), say("restart_hint")]);
  if (area.is_approximate) found.push([say("last_seen"), say("last_seen_hint")]);
  return found;
}
