// The two questions before anything is done: what an order would do, and a plain "sure?". Nothing typed is ever lost.

import { Refusal, ask, newKey } from "./ask.js";
import { element, setHidden, setText } from "./dom.js";
import { nextEvening } from "./truth.js";
import { clock, inputTime, page, say, sayMany } from "./words.js";

const MOST_NAMES = 40;
const HOUR = 3600_000;

/** Asks what switching these meters would do, shows it, and gives the order. */
export class OrderDialog {
  #node = document.getElementById("order-dialog");
  #form = this.#node.querySelector("form");
  #plan = this.#node.querySelector(".plan");
  #error = this.#node.querySelector(".error");
  #confirm = this.#node.querySelector(".confirm");
  #label;
  #now;
  #onDone;
  #asked = { meters: [], state: true };
  #told = null;
  #key = "";
  #inAnHour = "";
  #isSending = false;
  #afterwards = () => {};

  /** label(id, name): how a meter is called here; now(): the server's time; onDone(): an order was given. */
  constructor({ label, now, onDone }) {
    this.#label = label;
    this.#now = now;
    this.#onDone = onDone;
    this.#form.addEventListener("submit", (event) => (event.preventDefault(), this.#send()));
    this.#form.addEventListener("input", () => this.#changed());
    this.#node.querySelector(".close").addEventListener("click", () => this.#node.close());
    this.#node.querySelector(".retry").addEventListener("click", () => this.#ask());
  }

  /** onDone(): this very order was given. */
  open(meters, state, { reason = "", onDone = () => {} } = {}) {
    this.#asked = { meters, state };
    this.#afterwards = onDone;
    this.#key = newKey();
    this.#form.reset();
    this.#form.elements.reason.value = reason;
    const now = this.#now();
    this.#form.elements.at.min = inputTime(now);
    const isToday = nextEvening(now, page.zone).slice(0, 10) === inputTime(now).slice(0, 10);
    setText(this.#node.querySelector(".evening"), say(isToday ? "until_tonight" : "until_tomorrow"));
    setText(this.#node.querySelector("h2"), _title(meters, state, this.#label));
    setText(this.#confirm, sayMany(state ? "confirm_on" : "confirm_off", meters.length));
    this.#confirm.dataset.to = state ? "on" : "off";
    if (!this.#node.open) this.#node.showModal();
    this.#confirm.focus();
    this.#ask();
  }

  async #ask() {
    this.#told = null;
    this.#fail(null);
    this.#plan.replaceChildren(element("li", { className: "muted", textContent: say("plan_asking") }));
    this.#changed();
    const asked = this.#asked;
    try {
      const told = await ask("/board/plan/", asked);
      if (asked !== this.#asked) return;
      this.#told = told;
      this.#plan.replaceChildren(...this.#planLines(told));
      setText(this.#confirm, sayMany(told.state ? "confirm_on" : "confirm_off", told.meters));
    } catch (refusal) {
      if (asked === this.#asked) this.#fail(refusal, true);
    }
    this.#changed();
  }

  #planLines(told) {
    const words = say(told.state ? "on" : "off");
    const shown = told.meters === 1 && this.#asked.meters.length === 1;
    const withoutRelay = told.skipped.filter(({ code }) => code === "no_relay");
    const gone = told.skipped.filter(({ code }) => code !== "no_relay");
    const until = clock(told.deadline, this.#now());
    return [
      !told.meters && this.#line("warn", say("plan_none")),
      told.meters > told.offline.length && this.#line("", sayMany(told.seconds > 1 ? "plan_meters" : "plan_meters_soon", told.meters, { seconds: told.seconds })),
      told.already && !shown && this.#line("", sayMany("plan_already", told.already, { words })),
      told.already && shown && this.#line("", say("plan_already_single", { words })),
      told.meters && !told.is_heard && this.#line("warn", say("plan_waits", { until })),
      told.is_heard && told.offline.length && this.#line("warn", sayMany("plan_offline", told.offline.length, { until }), told.offline),
      withoutRelay.length && this.#line("", sayMany("plan_no_relay", withoutRelay.length), withoutRelay),
      gone.length && this.#line("", sayMany("plan_gone", gone.length), gone),
      told.depending.length && this.#line("warn", sayMany(told.needs_reason ? "plan_depending_why" : "plan_depending", told.depending.length), told.depending),
    ].filter(Boolean);
  }

  #line(kind, text, meters = []) {
    return namedLine(kind, text, this.#asked.meters.length === 1 ? [] : meters, this.#label);
  }

  // What is typed decides what may be sent.
  #changed() {
    const { at, until, reason } = this.#form.elements;
    this.#key = newKey();
    this.#inAnHour = new Date(this.#now() + HOUR).toISOString();
    setHidden(this.#node.querySelector(".at"), until.value !== "at");
    setHidden(this.#node.querySelector(".until-note"), until.value === "changed");
    setHidden(this.#node.querySelector(".changed-note"), until.value !== "changed");
    at.required = until.value === "at";
    reason.required = Boolean(this.#told?.needs_reason);
    setText(this.#node.querySelector(".reason-word"), say(reason.required ? "reason_required" : "reason_optional"));
    this.#confirm.disabled = this.#isSending || !this.#told?.meters;
  }

  #until() {
    const { at, until } = this.#form.elements;
    if (until.value === "changed") return null;
    if (until.value === "hour") return this.#inAnHour;
    return until.value === "evening" ? nextEvening(this.#now(), page.zone) : at.value;
  }

  async #send() {
    const key = this.#key;
    this.#isSending = this.#confirm.disabled = true;
    this.#fail(null);
    try {
      await ask("/board/orders/", { ...this.#asked, reason: this.#form.elements.reason.value, until: this.#until(), key });
      this.#node.close();
      this.#afterwards();
      this.#onDone();
    } catch (refusal) {
      this.#fail(refusal);
      if (refusal.code === "needs_reason") this.#form.elements.reason.focus();
    } finally {
      this.#isSending = false;
      this.#confirm.disabled = !this.#told?.meters;
    }
  }

  #fail(refusal, isRetried = false) {
    if (refusal && !(refusal instanceof Refusal)) throw refusal;
    setText(this.#error, refusal?.message ?? "");
    setHidden(this.#error, !refusal);
    setHidden(this.#node.querySelector(".retry"), !refusal || !isRetried);
    if (refusal && isRetried) this.#plan.replaceChildren();
  }
}

/** A line of a plan; where it is about some of many meters, with their names to unfold. */
export function namedLine(kind, text, meters = [], label = (id, name) => name) {
  const line = element("li", { className: kind });
  if (!meters.length) line.append(text);
  else {
    const names = meters.slice(0, MOST_NAMES).map(({ id, name }) => label(id, name));
    const more = meters.length > MOST_NAMES ? " …" : "";
    line.append(element("details", {}, element("summary", { textContent: text }), element("p", { textContent: names.join(" · ") + more })));
  }
  return line;
}

function _title(meters, state, label) {
  if (meters.length === 1) return say(state ? "order_on" : "order_off", { meter: label(meters[0], "") });
  return sayMany(state ? "orders_on" : "orders_off", meters.length);
}

/** A plain question before something is asked of the server; where there is a plan, it is told first. */
export class ConfirmDialog {
  #node = document.getElementById("confirm-dialog");
  #form = this.#node.querySelector("form");
  #error = this.#node.querySelector(".error");
  #confirm = this.#node.querySelector(".confirm");
  #plan = this.#node.querySelector(".plan");
  #asked = {};

  constructor() {
    this.#node.querySelector(".close").addEventListener("click", () => this.#node.close());
    this.#form.addEventListener("submit", (event) => (event.preventDefault(), this.#send()));
  }

  /** act(reason) asks the server, plan() → {lines, isPossible}, too; they may throw a Refusal. onDone(): it was done. */
  open({ title, text, button, act, plan = null, onDone = () => {}, asksReason = false, isGrave = false }) {
    this.#asked = { act, plan, onDone };
    this.#form.reset();
    this.#plan.replaceChildren();
    setText(this.#node.querySelector("h2"), title);
    setText(this.#node.querySelector(".text"), text);
    setText(this.#confirm, button);
    setHidden(this.#node.querySelector(".reason"), !asksReason);
    setHidden(this.#error, true);
    this.#confirm.classList.toggle("grave", isGrave);
    this.#confirm.disabled = Boolean(plan);
    this.#node.showModal();
    (plan ? this.#node.querySelector("h2") : this.#confirm).focus();
    if (plan) this.#ask();
  }

  async #ask() {
    const asked = this.#asked;
    this.#plan.append(element("li", { className: "muted", textContent: say("plan_asking") }));
    try {
      const { lines, isPossible } = await asked.plan();
      if (asked !== this.#asked) return;
      this.#plan.replaceChildren(...lines);
      this.#confirm.disabled = !isPossible;
      if (isPossible && document.activeElement === this.#node.querySelector("h2")) this.#confirm.focus();
    } catch (refusal) {
      if (asked !== this.#asked) return;
      this.#plan.replaceChildren();
      this.#fail(refusal);
    }
  }

  async #send() {
    const { act, onDone } = this.#asked;
    this.#confirm.disabled = true;
    try {
      await act(this.#form.elements.reason.value);
      this.#node.close();
      onDone();
    } catch (refusal) {
      this.#fail(refusal);
    } finally {
      this.#confirm.disabled = false;
    }
  }

  #fail(refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    setText(this.#error, refusal.message);
    setHidden(this.#error, false);
  }
}
