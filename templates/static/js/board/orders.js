// A strip for each order of staff that is not through, for everybody who has the board open.

import { ask } from "./ask.js";
import { copy, element, setAttribute, setHidden, setText } from "./dom.js";
import { failedOf, isThrough } from "./truth.js";
import { page, say, sayMany } from "./words.js";

const SHOWN_AFTER_MS = 15_000;
const SHOWN_FAILED_MS = 120_000;

export class Orders {
  #root = document.getElementById("orders");
  #strips = new Map(); // order id → Strip
  #throughSince = new Map(); // order id → ms by the browser's clock
  #dismissed = new Set();
  #hooks;

  /** hooks: label(id), open(id): a meter's panel, confirm: a ConfirmDialog, resized(). */
  constructor(hooks) {
    this.#hooks = hooks;
  }

  refresh(store, localNow) {
    const shown = store.switching.orders.filter((order) => this.#isShown(order, localNow));
    const before = this.#strips.size;
    for (const id of this.#strips.keys()) if (!shown.some((order) => order.id === id)) this.#drop(id);
    for (const order of shown) {
      if (!this.#strips.has(order.id)) this.#add(order.id);
      this.#strips.get(order.id).show(order, [...store.meters.values()]);
    }
    setHidden(this.#root, !shown.length);
    if (before !== this.#strips.size) this.#hooks.resized();
  }

  #isShown(order, localNow) {
    if (this.#dismissed.has(order.id) || order.total === 1) return false; // one meter tells it on its own tile
    if (!isThrough(order)) return this.#throughSince.delete(order.id), true;
    const since = this.#throughSince.get(order.id) ?? localNow;
    this.#throughSince.set(order.id, since);
    return localNow - since < (order.failed ? SHOWN_FAILED_MS : SHOWN_AFTER_MS);
  }

  #add(id) {
    const strip = new Strip(id, this.#hooks, () => this.#dismissed.add(id));
    this.#strips.set(id, strip);
    this.#root.append(strip.node);
  }

  #drop(id) {
    this.#strips.get(id).node.remove();
    this.#strips.delete(id);
  }
}

class Strip {
  node = copy("order-template");
  #hooks;
  #order = null;
  #failed = "";

  constructor(id, hooks, onDismiss) {
    this.#hooks = hooks;
    this.node.dataset.id = id;
    this.#part(".cancel").addEventListener("click", () => this.#cancel());
    this.#part(".dismiss").addEventListener("click", () => (onDismiss(), this.node.remove()));
  }

  show(order, meters) {
    this.#order = order;
    const isDone = isThrough(order);
    setAttribute(this.node, "data-done", isDone ? "" : null);
    setAttribute(this.node, "data-failed", order.failed ? "" : null);
    setText(this.#part(".order-title"), this.#title(order, meters));
    setText(this.#part(".order-text"), sayProgress(order));
    const bar = this.#part("progress");
    setAttribute(bar, "max", Math.max(1, order.total));
    setAttribute(bar, "value", order.confirmed);
    setAttribute(bar, "aria-label", sayProgress(order));
    setHidden(this.#part(".cancel"), !page.may.switch || order.waiting + order.offline === 0);
    setHidden(this.#part(".dismiss"), !isDone);
    this.#showFailed(failedOf(order, meters));
  }

  #part(name) {
    return this.node.querySelector(name);
  }

  #title(order, meters) {
    const own = order.total === 1 ? meters.find(({ command }) => command?.order === order.id) : null;
    const what = own ? this.#hooks.label(own.id) : sayMany("meters", order.total);
    return `${say(order.state ? "order_strip_on" : "order_strip_off", { what })}${order.by ? ` (${order.by})` : ""}`;
  }

  #showFailed(failed) {
    const wanted = JSON.stringify(failed.map((meter) => meter.id));
    setHidden(this.#part(".order-failed"), !failed.length);
    if (wanted === this.#failed) return;
    this.#failed = wanted;
    const buttons = failed.map((meter) => {
      const button = element("button", { type: "button", textContent: this.#hooks.label(meter.id) });
      button.addEventListener("click", () => this.#hooks.open(meter.id));
      return button;
    });
    this.#part(".order-failed").replaceChildren(element("span", { textContent: say("order_failed") }), ...buttons);
  }

  #cancel() {
    const { id, waiting, offline } = this.#order;
    this.#hooks.confirm.open({
      title: say("cancel_title"),
      text: sayMany("cancel_text", waiting + offline),
      button: say("cancel_button"),
      act: () => ask(`/board/orders/${id}/cancel/`),
    });
  }
}

/** "37 of 80 on, 2 failed, 3 waiting for the meter". */
function sayProgress(order) {
  const parts = [say(order.state ? "progress_on" : "progress_off", { n: order.confirmed, all: order.total })];
  for (const name of ["failed", "offline", "cancelled"]) if (order[name]) parts.push(say(`progress_${name}`, { n: order[name] }));
  return parts.join(", ");
}
