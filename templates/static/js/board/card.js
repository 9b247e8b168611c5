// The card beside a tile under the pointer or the focus: everything that is known of its meter, with ages.

import { element, setHidden, setText } from "./dom.js";
import { bars, why } from "./tiles.js";
import { isLease, sayCommand, sayWant, sayWish } from "./wishes.js";
import { age, clock, number, say, sayOf, watts } from "./words.js";

const LINKS = ["", "link_weak", "link_fair", "link_good"];

export class Card {
  #node = document.getElementById("card");
  #describe;
  #tile = null;

  /** describe(meter id) returns {seen, label, area, now}. */
  constructor(areas, describe) {
    this.#describe = describe;
    const open = (event) => this.#open(event.target.closest?.(".tile") ?? null);
    areas.addEventListener("pointerover", (event) => event.pointerType === "mouse" && open(event));
    areas.addEventListener("focusin", (event) => event.target.matches(":focus-visible") && open(event));
    areas.addEventListener("pointerleave", () => this.#open(null));
    areas.addEventListener("focusout", () => this.#open(null));
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#open(null));
    document.addEventListener("scroll", () => this.#open(null), { passive: true });
  }

  refresh() {
    if (this.#tile) this.#show();
  }

  close() {
    this.#open(null);
  }

  #open(tile) {
    if (tile === this.#tile) return;
    this.#tile?.removeAttribute("aria-describedby");
    this.#tile = tile;
    setHidden(this.#node, tile === null);
    if (!tile) return;
    tile.setAttribute("aria-describedby", "card");
    this.#show();
    this.#place(tile.getBoundingClientRect());
  }

  #place(spot) {
    const { offsetWidth: width, offsetHeight: height } = this.#node;
    const fitsBelow = spot.bottom + 6 + height < innerHeight;
    const left = Math.max(8, Math.min(spot.left, document.documentElement.clientWidth - width - 8));
    this.#node.style.left = `${left + scrollX}px`;
    this.#node.style.top = `${(fitsBelow ? spot.bottom + 6 : Math.max(8, spot.top - 6 - height)) + scrollY}px`;
  }

  #show() {
    const { seen, label, area, now } = this.#describe(Number(this.#tile.dataset.id));
    const [title, text, list] = this.#node.children;
    setText(title, label);
    setText(text, [why(seen, now), sayWish(seen)].filter(Boolean).join("; "));
    const lines = cardLines(seen, label, area, now, sayLast(seen, now));
    while (list.children.length > lines.length * 3) list.lastElementChild.remove();
    while (list.children.length < lines.length * 3) list.append(element("dt"), element("dd"), element("dd"));
    lines.flat().forEach((text, index) => setText(list.children[index], text));
  }
}

// A last command that is under way, or came to nothing.
function sayLast(seen, now) {
  const { command } = seen.meter;
  return command && command.status !== "confirmed" ? sayCommand(command, seen, now) : "";
}

/** [what, value, age] a line. */
function cardLines({ meter }, label, area, now, last) {
  const line = (term, text, at) => [say(term), text ?? "–", text === null || at === null ? "" : age(now - at)];
  const quantity = (term, value, digits, unit, at) => line(term, value === null ? null : `${number(value, digits)} ${unit}`, at);
  const relay = meter.relay === null ? (meter.has_relay ? null : say("no_relay")) : say(meter.relay ? "on" : "off");
  const strength = meter.linkquality === null ? null : `${say(LINKS[bars(meter.linkquality)])} (${meter.linkquality})`;
  return [
    ...(meter.name === label ? [] : [line("name", meter.name, null)]),
    ...(meter.pitches.length && meter.pitches[0] !== label ? [line("pitch", meter.pitches[0], null)] : []),
    line("area", area?.name ?? say("no_area"), null),
    line("switch", relay, meter.relay_at),
    line("wanted", sayWant(meter), null),
    ...(meter.want?.reason ? [line("wanted_why", meter.want.reason, null)] : []),
    ...(meter.want?.until && !isLease(meter.want) ? [line("wanted_until", clock(meter.want.until, now), null)] : []),
    ...(last ? [line("last_command", last, null)] : []),
    ...(meter.want?.hold ? [line("left_alone", sayOf("holds", meter.want.hold), null)] : []),
    line("power", meter.power_w === null ? null : watts(meter.power_w), meter.power_at),
    quantity("voltage", meter.voltage_v, 0, "V", meter.voltage_at),
    quantity("current", meter.current_a, 2, "A", meter.current_at),
    quantity("energy", meter.counter_kwh, 2, "kWh", meter.counter_at),
    line("link", strength, meter.linkquality_at),
    line("heard", meter.heard_at === null ? say("never") : age(now - meter.heard_at), null),
  ];
}
