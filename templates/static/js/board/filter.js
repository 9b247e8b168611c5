// What is shown: area, state and text, kept in the address so that a view can be bookmarked.

import { element, setAttribute, setHidden, setText } from "./dom.js";

export class Filter {
  area = "";
  state = "";
  text = "";
  #text = document.getElementById("filter-text");
  #area = document.getElementById("filter-area");
  #chips = [...document.querySelectorAll("#filter-state button")];

  constructor(onChange) {
    this.#read();
    const change = () => {
      this.#write();
      onChange();
    };
    this.#text.addEventListener("input", () => ((this.text = this.#text.value.trim()), change()));
    this.#area.addEventListener("change", () => ((this.area = this.#area.value), change()));
    for (const chip of this.#chips) {
      chip.addEventListener("click", () => ((this.state = chip.dataset.state), change()));
    }
    addEventListener("popstate", () => (this.#read(), onChange()));
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !event.target.matches("input, select")) {
        event.preventDefault();
        this.#text.focus();
      }
    });
  }

  get isActive() {
    return Boolean(this.area || this.state || this.text);
  }

  showAreas(areas) {
    const options = areas.map((area) => element("option", { value: area.slug, textContent: area.name }));
    this.#area.replaceChildren(this.#area.options[0], ...options);
    this.#area.value = this.area;
  }

  /** counts: state → how many meters it would show with the area and text that are set. */
  showCounts(counts) {
    for (const chip of this.#chips) {
      const { state } = chip.dataset;
      setText(chip.querySelector("b"), String(counts.get(state) ?? 0));
      setAttribute(chip, "aria-pressed", state === this.state ? "true" : "false");
      if (state === "removed") setHidden(chip, !counts.get(state) && this.state !== state);
    }
  }

  get states() {
    return this.#chips.map((chip) => chip.dataset.state);
  }

  #read() {
    const query = new URLSearchParams(location.search);
    this.area = query.get("area") ?? "";
    this.state = query.get("state") ?? "";
    this.text = query.get("q") ?? "";
    this.#text.value = this.text;
    this.#area.value = this.area;
  }

  #write() {
    const query = new URLSearchParams(Object.entries({ area: this.area, state: this.state, q: this.text }).filter(([, v]) => v));
    history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
  }
}
