// Reception by keyboard: "/" finds, arrows choose, Enter opens. What cuts is asked once more. What is live follows.

const FOLLOW_MS = 5000;
const PATIENCE_MS = 10_000;
const TYPING_MS = 120;

const field = document.getElementById("find");
const hits = document.getElementById("hits");
const form = field.form;
let asked = null;
let told = hits.children.length ? field.value.trim() : "";
let timer = 0;

// --- finding -------------------------------------------------------------------------------------------------------

const links = () => [...hits.querySelectorAll("a.hit")];
const chosen = () => hits.querySelector("a.hit[aria-selected=true]");

function choose(link) {
  chosen()?.setAttribute("aria-selected", "false");
  link?.setAttribute("aria-selected", "true");
  link?.scrollIntoView({ block: "nearest" });
}

function show(html, text) {
  hits.innerHTML = html; // our own server's, escaped there
  told = text;
  field.setAttribute("aria-expanded", String(Boolean(html.trim())));
  choose(links()[0]);
}

async function find() {
  const text = field.value.trim();
  asked?.abort();
  if (!text) return show("", "");
  asked = new AbortController();
  try {
    const answer = await fetch(`${form.dataset.url}?q=${encodeURIComponent(text)}`, { signal: asked.signal });
    if (answer.ok && !answer.redirected) show(await answer.text(), text);
  } catch {
    // typed on, or no server: Enter asks it for a whole page
  }
}

field.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(find, TYPING_MS);
});

field.addEventListener("keydown", (event) => {
  const all = links();
  const at = all.indexOf(chosen());
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    choose(all[(at + step + all.length) % all.length]);
  } else if (event.key === "Enter" && told === field.value.trim() && chosen()) {
    event.preventDefault();
    location.assign(chosen().href);
  } else if (event.key === "Escape") {
    field.value = "";
    show("", "");
    field.blur();
  }
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea, dialog");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  field.focus();
  field.select();
});

choose(links()[0]);
if ("focus" in field.dataset) field.focus(); // by its attribute the browser would do so late

// --- what cuts is asked once more ----------------------------------------------------------------------------------

const dialog = document.getElementById("confirm");
let waiting = null;

document.addEventListener("submit", (event) => {
  const text = event.target.dataset.confirm;
  if (!text || !dialog || event.target === waiting) return;
  event.preventDefault();
  waiting = event.target;
  dialog.querySelector("p").textContent = text;
  dialog.returnValue = "";
  dialog.showModal();
});

dialog?.addEventListener("close", () => {
  const asking = waiting;
  if (dialog.returnValue === "yes") {
    asking.append(Object.assign(document.createElement("input"), { type: "hidden", name: "sure", value: "1" }));
    asking.requestSubmit();
  }
  waiting = null;
});

document.addEventListener("toggle", (event) => {
  if (event.target.matches?.("details.act[open]")) event.target.querySelector("input:not([type=hidden]), select")?.focus();
}, true);

// --- what was refused stands in its form once more -----------------------------------------------------------------

function refill({ action, values }) {
  const isIts = (form) => new URL(form.action).pathname === action && (!values.meter || form.elements.meter?.value === values.meter);
  const refused = [...document.forms].find(isIts);
  if (!refused) return;
  for (const [name, value] of Object.entries(values)) {
    const control = refused.elements[name];
    if (control && control.type !== "hidden") control.value = value;
  }
  const act = refused.closest("details");
  if (act) act.open = true; // its first field is chosen then
  for (const why of document.querySelectorAll(".errornote")) {
    why.dataset.of = action;
    refused.before(why); // at the top it is out of sight
  }
}

const typed = document.getElementById("typed");
if (typed) refill(JSON.parse(typed.textContent));

// --- what is live follows ------------------------------------------------------------------------------------------

async function follow() {
  if (document.hidden || dialog?.open) return;
  try {
    const answer = await fetch(location.pathname, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok || answer.redirected) throw new Error(answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const news = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
      if (news && !isInUse(part)) renew(part, news);
    }
    document.body.classList.remove("without-server");
  } catch {
    document.body.classList.add("without-server");
  }
}

/** A list that is only unfolded to be read follows, too, and stays unfolded; a refusal stays at its form. */
function renew(part, news) {
  for (const why of part.querySelectorAll("[data-of]")) news.querySelector(`form[action="${why.dataset.of}"]`)?.before(why.cloneNode(true));
  for (const open of part.querySelectorAll("details.many[open]")) news.querySelector(`#${open.id}`)?.setAttribute("open", "");
  if (news.innerHTML === part.innerHTML) return;
  const list = document.activeElement.closest("details.many")?.id;
  part.innerHTML = news.innerHTML;
  if (list) document.getElementById(list)?.querySelector("summary").focus({ preventScroll: true });
}

function isInUse(part) {
  const isHeld = part.contains(document.activeElement) && !document.activeElement.matches(".many > summary");
  return isHeld || part.querySelector("details[open]:not(.many)") || typedIn(part);
}

const typedIn = (part) => [...part.querySelectorAll("input:not([type=hidden])")].some((input) => input.value !== input.defaultValue);

setInterval(follow, FOLLOW_MS);
