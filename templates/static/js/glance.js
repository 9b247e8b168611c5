// Staff's first page follows what happens; without a server it greys what it shows.

const FOLLOW_MS = 15_000;
const PATIENCE_MS = 10_000;

async function follow() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.pathname, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok || answer.redirected) throw new Error(answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
    const part = document.querySelector("[data-live]");
    if (fresh.innerHTML !== part.innerHTML && !part.contains(document.activeElement)) part.replaceChildren(...fresh.childNodes);
    document.body.classList.remove("without-server");
  } catch {
    document.body.classList.add("without-server");
  }
}

setInterval(follow, FOLLOW_MS);
document.addEventListener("visibilitychange", follow);
