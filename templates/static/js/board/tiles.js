// One tile a meter: symbol, name, power, counter, age, radio link.

import { copy, setAttribute, setText } from "./dom.js";
import { sayWish } from "./wishes.js";
import { age, number, say, sayReason, sayState, shortAge, watts } from "./words.js";

const UNKNOWN = "–";
const NUMBERED = /^(\D+?)(\s*\d.*)$/u; // where room is short, "Hytte 26" keeps its number

export class Tile {
  node = copy("tile-template");
  #parts = {};

  constructor(meter) {
    this.node.dataset.id = meter.id;
    this.node.href = `/board/meters/${encodeURIComponent(meter.ieee)}/`;
    for (const part of ["head", "tail", "state", "power", "energy", "age", "bars", "wish"]) {
      this.#parts[part] = this.node.querySelector(`.${part}`);
    }
    this.#parts.use = this.node.querySelector(".symbol use");
    this.#parts.wishUse = this.node.querySelector(".wish use");
  }

  /** While several are chosen a tile is a box to tick. */
  choose(isChoosing, isChosen) {
    setAttribute(this.node, "role", isChoosing ? "checkbox" : null);
    setAttribute(this.node, "aria-checked", isChoosing ? String(isChosen) : null);
  }

  /** seen: what truth.describe returns. */
  show(seen, label, now) {
    const { meter, state } = seen;
    const parts = this.#parts;
    const heardFor = meter.heard_at === null ? null : now - meter.heard_at;
    setAttribute(this.node, "data-state", state);
    setAttribute(this.node, "data-old", seen.isOld ? "" : null);
    setAttribute(parts.use, "href", `#symbol-${state}`);
    setAttribute(this.node, "data-wish", seen.sign || null);
    if (seen.sign) setAttribute(parts.wishUse, "href", `#symbol-${seen.sign}`);
    const [, head, tail] = label.match(NUMBERED) ?? [null, label, ""];
    setText(parts.head, head);
    setText(parts.tail, tail);
    setText(parts.state, [why(seen, now, seen.reason === "worker"), sayWish(seen)].filter(Boolean).join("; "));
    setText(parts.power, meter.power_w === null ? UNKNOWN : watts(meter.power_w));
    setText(parts.energy, meter.counter_kwh === null ? `${UNKNOWN} kWh` : `${number(meter.counter_kwh, 1)} kWh`);
    setText(parts.age, heardFor === null ? UNKNOWN : shortAge(seen.frozenFor ?? heardFor));
    setAttribute(parts.bars, "data-bars", seen.status === "online" ? bars(meter.linkquality) : 0);
  }
}

/** The state in words, with the reason where one is needed. isSaid: the banner tells the reason already. */
export function why(seen, now, isSaid = false) {
  const { meter, state, status, reason, frozenFor } = seen;
  if (status === "online" && state !== "unknown") {
    return frozenFor === null ? sayState(state) : `${sayState(state)}: ${say("frozen", { age: age(frozenFor) })}`;
  }
  const heard = status === "online" || meter.heard_at === null ? "" : `, ${say("heard_ago", { age: age(now - meter.heard_at) })}`;
  return `${sayState(state)}${isSaid ? "" : `: ${sayReason(reason)}`}${heard}`;
}

/** 0 (nothing known) to 3 bars. */
export function bars(linkquality) {
  if (linkquality === null) return 0;
  return linkquality < 50 ? 1 : linkquality < 100 ? 2 : 3;
}
