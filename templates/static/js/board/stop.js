// The stop of everything automatic: its button in the header, and the banner for everybody while it is in force.

import { ask } from "./ask.js";
import { setHidden, setText } from "./dom.js";
import { heldByStop } from "./truth.js";
import { clock, page, say, sayMany } from "./words.js";

export class Stop {
  #button = document.getElementById("stop");
  #banner = document.getElementById("stop-banner");
  #release = this.#banner.querySelector("button");
  #held = { on: 0, off: 0 };

  constructor(confirm) {
    this.#button.addEventListener("click", () =>
      confirm.open({
        title: say("stop_title"),
        text: say("stop_text"),
        button: say("stop_button"),
        act: (reason) => ask("/board/stop/", { reason }),
        asksReason: true,
        isGrave: true,
      }),
    );
    this.#release.addEventListener("click", () =>
      confirm.open({
        title: say("release_title"),
        text: [say("release_text"), this.#sayHeld()].filter(Boolean).join(" "),
        button: say("release_button"),
        act: () => ask("/board/stop/release/"),
      }),
    );
  }

  refresh(store, now) {
    const { stop } = store.switching;
    setHidden(this.#button, Boolean(stop) || !page.may.stop);
    setHidden(this.#banner, !stop);
    if (!stop) return;
    const { on, off } = heldByStop([...store.meters.values()], store.areas);
    this.#held = { on: on.length, off: off.length };
    const since = clock(stop.since, now);
    const [title, text] = this.#banner.querySelectorAll("strong, span");
    setText(title, stop.by ? say("stopped_by", { since, by: stop.by }) : say("stopped_since", { since }));
    setText(text, [this.#why(stop), this.#sayHeld(), _whom()].filter(Boolean).join(" "));
    setHidden(this.#release, !page.may.resume);
  }

  #why({ cause, reason }) {
    if (cause === "limit") return say("stopped_limit", { n: page.offs_an_hour });
    return reason ? say("stopped_why", { reason }) : say("stopped_text");
  }

  #sayHeld() {
    const { on, off } = this.#held;
    if (!on && !off) return "";
    if (!on) return sayMany("held_off", off);
    return off ? say("held_both", { on, off }) : sayMany("held_on", on);
  }
}

// Whom to ask, for those who may not release it themselves.
function _whom() {
  return page.releasers.length ? say("stopped_ask", { people: page.releasers.join(", ") }) : "";
}
