// The panel of one meter: what it is, what is wanted, how far its command has come, and what may be done.

import { Refusal, ask } from "./ask.js";
import { element, setAttribute, setHidden, setText } from "./dom.js";
import { why } from "./tiles.js";
import { openLetGo } from "./letgo.js";
import { isCancellable } from "./truth.js";
import { gradeLines, offerOf, sayCommand, sayCommandTitle, sayWish, wantLines } from "./wishes.js";
import { age, page, say, watts } from "./words.js";

export class Panel {
  #node = document.getElementById("meter-dialog");
  #error = this.#node.querySelector(".error");
  #describe;
  #order;
  #confirm;
  #id = null;
  #shown = "";

  /** describe(meter id) returns {seen, label, area, now}; order, confirm: the dialogs. */
  constructor(describe, order, confirm) {
    this.#describe = describe;
    this.#order = order;
    this.#confirm = confirm;
    this.#node.addEventListener("click", (event) => {
      if (event.target === this.#node) this.#node.close(); // beside it
      const act = event.target.closest("[data-act]")?.dataset.act;
      if (act) this.#act(act);
    });
    this.#node.addEventListener("close", () => (this.#id = null));
  }

  open(id) {
    this.#id = id;
    setHidden(this.#error, true);
    this.refresh();
    this.#node.showModal();
    this.#node.querySelector("h2").focus();
  }

  refresh() {
    if (this.#id === null) return;
    const { seen, label, area, now } = this.#describe(this.#id);
    if (!seen) return this.#node.close();
    this.#showHead(seen, label, area, now);
    this.#showFacts(seen, now);
    this.#showButtons(seen);
  }

  #part(name) {
    return this.#node.querySelector(name);
  }

  #showHead(seen, label, area, now) {
    const { meter, state } = seen;
    setText(this.#part("h2"), label);
    setText(this.#part(".place"), [meter.name === label ? "" : meter.name, area?.name ?? say("no_area")].filter(Boolean).join(" · "));
    setAttribute(this.#part(".sample"), "data-state", state);
    setAttribute(this.#part(".now use"), "href", `#symbol-${state}`);
    setText(this.#part(".now strong"), why(seen, now));
    setText(this.#part(".now-power"), meter.power_w === null ? "" : `${watts(meter.power_w)}, ${age(now - meter.power_at)}`);
    const wish = sayWish(seen);
    setHidden(this.#part(".wish-line"), !wish);
    setAttribute(this.#part(".wish-line"), "data-wish", seen.sign || null);
    setAttribute(this.#part(".wish-line use"), "href", `#symbol-${seen.sign || "switching"}`);
    setText(this.#part(".wish-line span"), wish);
    this.#part(".more").href = `/board/meters/${encodeURIComponent(meter.ieee)}/`;
  }

  #showFacts(seen, now) {
    const { meter } = seen;
    const lines = wantLines(meter, now);
    const command = meter.command && { ...meter.command, title: sayCommandTitle(meter.command, now), said: sayCommand(meter.command, seen, now) };
    const steps = meter.command ? gradeLines(meter.command, now) : [];
    const shown = JSON.stringify([lines, command, steps]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#part(".want").replaceChildren(...lines.flatMap(([term, text]) => [element("dt", { textContent: term }), element("dd", { textContent: text })]));
    setHidden(this.#part(".command"), !command);
    if (!command) return;
    setText(this.#part(".command h3"), command.title);
    this.#part(".grades").replaceChildren(...steps.map(_step));
    setText(this.#part(".command-said"), command.said);
    setHidden(this.#part(".command-said"), !command.said);
    setText(this.#part(".command-detail"), command.detail ? say("command_detail", { detail: command.detail }) : "");
  }

  #showButtons(seen) {
    const { meter } = seen;
    const button = (act) => this.#part(`[data-act="${act}"]`);
    const isSwitchable = meter.has_relay && !meter.removed;
    setHidden(this.#part(".buttons"), !page.may.switch || !isSwitchable);
    setHidden(this.#part(".no-relay"), isSwitchable);
    setText(this.#part(".no-relay"), say(meter.removed ? "cannot_gone" : "cannot_no_relay"));
    const offer = offerOf(seen);
    setHidden(button("again"), !offer);
    setText(button("again"), offer);
    setHidden(button("let-go"), meter.want?.source !== "staff");
    setHidden(button("cancel"), !isCancellable(meter.command));
    setHidden(this.#part(".let-go-note"), meter.want?.source !== "staff");
  }

  #act(act) {
    const { seen } = this.#describe(this.#id);
    const { id, wanted, want, command } = seen.meter;
    if (act === "close") this.#node.close();
    if (act === "on" || act === "off") this.#order.open([id], act === "on");
    if (act === "again") this.#order.open([id], wanted, { reason: want?.source === "staff" ? want.reason : "" });
    if (act === "let-go") openLetGo(this.#confirm, [id], () => this.#describe(id).label);
    if (act === "cancel") this.#ask(`/board/commands/${command.id}/cancel/`);
  }

  async #ask(url, body) {
    setHidden(this.#error, true);
    try {
      const told = await ask(url, body);
      if (told.cancelled === 0) throw new Refusal("sent", say("cancel_too_late"));
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      setText(this.#error, refusal.message);
      setHidden(this.#error, false);
    }
  }
}

function _step({ mark, text, time, note }) {
  const words = element("span", { className: "visually-hidden", textContent: ` (${say(`mark_${mark}`)})` });
  const step = element("li", {}, element("span", { className: "step" }, text, words), element("time", { textContent: time }));
  step.dataset.mark = mark;
  if (note) step.append(element("small", { textContent: note }));
  return step;
}
