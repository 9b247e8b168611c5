// A meter's page asks for itself every 10 s and takes over the sections that have changed. When the server does not
// answer, everything is greyed.

const EVERY_MS = 10_000;
const lost = document.getElementById("lost");

async function refresh() {
  try {
    const answer = await fetch(location.href, { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(8_000) });
    if (answer.type === "opaqueredirect") return location.reload(); // logged out: to the log-in page
    if (!answer.ok) throw new Error(answer.status);
    takeOver(new DOMParser().parseFromString(await answer.text(), "text/html"));
    setLost(false);
  } catch {
    setLost(true);
  }
}

function takeOver(page) {
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(old.id);
    if (!fresh) continue;
    const opened = [...old.querySelectorAll("details")].map((details) => details.open);
    [...fresh.querySelectorAll("details")].forEach((details, index) => (details.open = opened[index] ?? details.open));
    if (!fresh.isEqualNode(old) && !old.contains(document.activeElement)) old.replaceWith(document.importNode(fresh, true));
  }
}

function setLost(isLost) {
  lost.hidden = !isLost;
  document.body.toggleAttribute("data-lost", isLost);
}

setInterval(() => document.hidden || refresh(), EVERY_MS);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
addEventListener("online", refresh);
