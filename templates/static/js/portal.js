// Keeps a guest's page true while it stands: watts and ages by a socket, the rest by loading the page anew. Without a
// socket it asks now and then; without a network it says so and shows how old everything is.

const SILENCE_MS = 25_000; // the server gives a sign of life every 10 to 16 s
const POLL_MS = 15_000;
const FIRST_POLL_MS = 3_000; // where no socket opens by then: the page may be one that was kept
const LOOKS_KEPT_MS = 5_000; // a page that is older when it comes was kept, and a socket may open and know nothing
const PATIENCE_MS = 10_000;
const LONGEST_RETRY_MS = 60_000;
const ALERT_STANDS_MS = 8_000;
const ASK_AGAIN_MS = 300_000; // what seldom changes, the socket does not tell
const NOT_OPEN = 4404;
const TOO_MANY = 4429;

const live = () => document.getElementById("live");
const home = live().dataset.page;
const language = document.documentElement.lang;
const relative = new Intl.RelativeTimeFormat(language, { numeric: "always" });
const decimal = [0, 2].map(
  (digits) => new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }),
);
// As the server's words of ages are made, so that none changes under the guest's eyes.
const UNITS = [["year", 31_536_000], ["month", 2_592_000], ["week", 604_800], ["day", 86_400], ["hour", 3_600], ["minute", 60]];
const STILL_THIS_UNIT = 1.5;

// The server's clock is ahead by so much. A page that seems to be from the past may be one that was kept.
let aheadMs = Math.max(0, Number(live().dataset.now) - Date.now());
let socket = null;
let retries = 0;
let heardAt = Date.now();
let askedAt = Date.now() - POLL_MS + FIRST_POLL_MS;
let isAsking = false;
let isOffline = !navigator.onLine;

const now = () => Date.now() + aheadMs;

// --- what the page shows -------------------------------------------------------------------------

function power(watts) {
  return watts < 1000 ? `${decimal[0].format(watts)} W` : `${decimal[1].format(watts / 1000)} kW`;
}

function age(at) {
  const passed = Math.max(0, now() - at) / 1000;
  for (const [unit, seconds] of UNITS) {
    const least = unit === "minute" ? 1 : STILL_THIS_UNIT;
    if (passed >= seconds * least) return relative.format(-halfEven(passed / seconds), unit);
  }
  return live().dataset.justNow;
}

function halfEven(value) {
  const whole = Math.round(value);
  return value % 1 === 0.5 && whole % 2 ? whole - 1 : whole;
}

/** Ages grow by themselves; an outlet that was not heard in time, or a page without a network, is grey. */
function show() {
  document.getElementById("offline").hidden = !isOffline;
  live().toggleAttribute("data-offline", isOffline);
  for (const time of live().querySelectorAll("time[data-at]")) time.textContent = age(Number(time.dataset.at));
  for (const outlet of live().querySelectorAll(".outlet[data-meter]")) {
    outlet.toggleAttribute("data-old", isOffline || !(Number(outlet.dataset.until) > now()));
  }
  for (const button of live().querySelectorAll(".switch button")) button.disabled = isOffline;
}

function setAge(element, at) {
  for (const time of element?.querySelectorAll("time[data-at]") ?? []) time.dataset.at = at;
}

/** What changes all the time; anything else makes the page be loaded anew. */
function take(told) {
  aheadMs = told.now - Date.now();
  heardAt = Date.now();
  isOffline = false;
  if (told.key !== live().dataset.key) return renew();
  live().dataset.now = told.now;
  setAge(document.getElementById("offline"), told.now);
  for (const each of told.outlets) {
    const outlet = live().querySelector(`.outlet[data-meter="${each.id}"]`);
    const watts = outlet?.querySelector("[data-watts]");
    if (!outlet) continue;
    outlet.dataset.until = each.until ?? "";
    for (const time of outlet.querySelectorAll("time[data-of='heard']")) time.dataset.at = each.heard_at;
    for (const time of outlet.querySelectorAll("time[data-of='relay']")) time.dataset.at = each.relay_at;
    if (each.power_w === null) continue;
    if (!watts) return renew();
    watts.textContent = power(each.power_w);
    setAge(outlet.querySelector(".watts"), each.power_at);
  }
  together(told.outlets);
  show();
}

/** The watts of all outlets, where those of each are known now. */
function together(outlets) {
  const sum = live().querySelector(".together");
  if (!sum) return;
  sum.hidden = !outlets.every((each) => each.power_w !== null && each.until > now());
  sum.querySelector("b").textContent = power(outlets.reduce((all, each) => all + each.power_w, 0));
}

/** Not while the guest types, or reads what was refused a moment ago. */
function renew() {
  if (!isBusy()) refresh();
}

/** The page as the server makes it now; one that is busy stays, and knows that there is a server. */
async function refresh() {
  if (isAsking) return;
  isAsking = true;
  askedAt = Date.now();
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const answer = await fetch(home, { redirect: "manual", cache: "no-store", signal });
    if (answer.type === "opaqueredirect") return location.reload();
    if (!answer.ok) throw new Error(answer.status); // the server is there, and knows nothing
    const page = read(await answer.text());
    heardAt = Date.now();
    isOffline = false;
    if (isBusy()) show();
    else replace(page);
  } catch {
    isOffline = true;
    show();
  } finally {
    isAsking = false;
  }
}

/** Its style sheet stays out: it has another nonce than ours. */
function read(text) {
  return new DOMParser().parseFromString(text.replace(/<style[^>]*>[^]*?<\/style>/, ""), "text/html");
}

function isBusy() {
  const isTyped = [...live().querySelectorAll(".choose input")].some((each) => each.value !== each.defaultValue);
  return isTyped || (live().querySelector("[role=alert]") && performance.now() < ALERT_STANDS_MS);
}

function replace(page) {
  const made = page.getElementById("live");
  if (!made) return location.reload();
  const open = [...live().querySelectorAll("details")].map((each) => each.open);
  const focused = words(document.activeElement);
  live().replaceWith(made);
  made.querySelectorAll("details").forEach((each, index) => (each.open = open[index] ?? each.open));
  const same = [...made.querySelectorAll("a, button, summary")].find((each) => words(each) === focused);
  same?.focus({ preventScroll: true });
  aheadMs = Number(made.dataset.now) - Date.now();
  show();
}

/** By what a link or a button is found again on the page as it is now. */
function words(element) {
  return `${element.closest("[data-meter], section")?.dataset.meter ?? ""} ${element.textContent.trim()}`;
}

// --- the line ------------------------------------------------------------------------------------

function connect() {
  const url = new URL(`${home}live/`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const mine = (socket = new WebSocket(url));
  mine.onmessage = (event) => {
    retries = 0;
    take(JSON.parse(event.data));
  };
  mine.onclose = (event) => {
    if (mine !== socket) return;
    socket = null;
    if (event.code === NOT_OPEN) return location.reload();
    if (event.code === TOO_MANY) return;
    const wait = Math.min(LONGEST_RETRY_MS, 1000 * 2 ** retries++) * (0.75 + Math.random() / 2);
    setTimeout(() => socket ?? connect(), wait);
  };
}

/** A server that is there and hangs tells as little as none. */
function beat() {
  const isSilent = Date.now() - heardAt > SILENCE_MS;
  isOffline ||= isSilent;
  show();
  if (document.hidden) return;
  if (isSilent) socket?.close();
  const isOpen = socket?.readyState === WebSocket.OPEN;
  if (Date.now() - askedAt > ASK_AGAIN_MS) refresh();
  if ((!isOpen || isSilent) && Date.now() - askedAt > (isOffline ? 0 : POLL_MS)) refresh();
}

// What was refused is not to be sent again, and who has come in does not come in once more.
if (location.pathname + location.search !== home) history.replaceState(null, "", home);
connect();
show();
if (Date.now() - Number(live().dataset.now) > LOOKS_KEPT_MS) refresh();
setInterval(beat, 5_000);
addEventListener("online", refresh);
addEventListener("offline", () => {
  isOffline = true;
  show();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && Date.now() - heardAt > POLL_MS) refresh();
});
addEventListener("load", () => navigator.serviceWorker?.register(live().dataset.worker, { scope: home }));
