// Choosing several meters: by tapping tiles, a whole area, or all that the filter shows; then one order for all.

import { setAttribute, setHidden, setText } from "./dom.js";
import { openLetGo } from "./letgo.js";
import { page, say, sayMany } from "./words.js";

export class Selection {
  isOn = false;
  #ids = new Set();
  #bar = document.getElementById("selection");
  #toggle = document.getElementById("select");
  #shown;
  #order;
  #confirm;
  #label;
  #onChange;

  /** shown() returns the ids of the tiles that are seen; order, confirm: the dialogs; label(id, name). */
  constructor({ shown, order, confirm, label, onChange }) {
    this.#shown = shown;
    this.#order = order;
    this.#confirm = confirm;
    this.#label = label;
    this.#onChange = onChange;
    setHidden(this.#toggle, !page.may.switch);
    this.#toggle.addEventListener("click", () => this.#turn(!this.isOn));
    this.#bar.addEventListener("click", (event) => this.#act(event.target.closest("[data-act]")?.dataset.act));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.isOn && !document.querySelector("dialog[open]")) this.#turn(false);
    });
  }

  has(id) {
    return this.#ids.has(id);
  }

  flip(id) {
    if (!this.#ids.delete(id)) this.#ids.add(id);
    this.#onChange();
  }

  /** Chooses all of these, or none of them where all were chosen. */
  flipAll(ids) {
    const all = ids.every((id) => this.#ids.has(id));
    for (const id of ids) all ? this.#ids.delete(id) : this.#ids.add(id);
    this.#onChange();
  }

  /** known: the ids that there are. */
  refresh(known) {
    for (const id of this.#ids) if (!known.has(id)) this.#ids.delete(id);
    if (!this.isOn) return;
    const count = this.#ids.size;
    setText(this.#bar.querySelector(".count"), sayMany("selected", count));
    setText(this.#bar.querySelector("[data-act=shown]"), say("select_shown", { n: this.#shown().length }));
    for (const act of ["none", "on", "off", "let-go"]) this.#bar.querySelector(`[data-act="${act}"]`).disabled = count === 0;
  }

  #turn(isOn) {
    this.isOn = isOn;
    if (!isOn) this.#ids.clear();
    setHidden(this.#bar, !isOn);
    setAttribute(this.#toggle, "aria-pressed", isOn ? "true" : "false");
    document.body.toggleAttribute("data-selecting", isOn);
    this.#onChange();
  }

  #act(act) {
    const ids = [...this.#ids];
    const onDone = () => this.#leave();
    if (act === "shown") this.flipAll(this.#shown());
    if (act === "none") this.flipAll(ids);
    if (act === "done") this.#turn(false);
    if (act === "on" || act === "off") this.#order.open(ids, act === "on", { onDone });
    if (act === "let-go") openLetGo(this.#confirm, ids, this.#label, onDone);
  }

  // It is done: a second click must not meet the same meters again.
  #leave() {
    this.#turn(false);
    this.#toggle.focus({ preventScroll: true });
  }
}
