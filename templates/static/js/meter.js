// A meter's page asks for itself every 15 s, more often while something is under way, and takes over the sections that
// have changed. When the server does not answer, everything is greyed. Its buttons lead to the board's dialogs.

import { Refusal, ask } from "./board/ask.js";
import { ConfirmDialog, OrderDialog } from "./board/dialogs.js";
import { setHidden, setText } from "./board/dom.js";
import { openLetGo } from "./board/letgo.js";
import { page, say } from "./board/words.js";
import { renew } from "./takeover.js";

const EVERY_MS = 15_000;
const MOVING_MS = 1_500;
const failure = document.getElementById("act-error");
let askedAt = Date.now();

async function refresh() {
  askedAt = Date.now();
  await renew();
}

// --- switching ---

const facts = () => document.getElementById("switch").dataset;
const skew = page.now - Date.now(); // server's clock minus the browser's
const order = new OrderDialog({ label: () => facts().name, now: () => Date.now() + skew, onDone: refresh });

const confirm = new ConfirmDialog();

function act(what) {
  const { id, wanted, reason, command } = facts();
  if (what === "on" || what === "off") order.open([Number(id)], what === "on");
  if (what === "again") order.open([Number(id)], wanted === "on", { reason });
  if (what === "let-go") openLetGo(confirm, [Number(id)], () => facts().name, refresh);
  if (what === "cancel") request(`/board/commands/${command}/cancel/`);
}

async function request(url, body) {
  setHidden(failure, true);
  try {
    const told = await ask(url, body);
    if (told.cancelled === 0) throw new Refusal("sent", say("cancel_too_late"));
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    setText(failure, refusal.message);
    setHidden(failure, false);
  }
  refresh();
}

document.addEventListener("click", (event) => {
  const what = event.target.closest("#switch [data-act]")?.dataset.act;
  if (what) act(what);
});

const isDue = () => Date.now() - askedAt >= ("moving" in facts() ? MOVING_MS : EVERY_MS);
setInterval(() => document.hidden || (isDue() && refresh()), 500);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
addEventListener("online", refresh);
