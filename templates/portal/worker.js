// Shows the last state of a guest's page where there is no network; the page itself says how old that is.

const SHELL = {{ shell|safe }};
const PAGE = "{{ page|escapejs }}";
const LEAVE = "{{ leave|escapejs }}";
const KEPT = "stay-page";
const FILES = "stay-files-" + SHELL.join("|");
const PATIENCE_MS = 6000;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(FILES).then((files) => files.addAll(SHELL)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(dropOld().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (origin !== self.location.origin) return;
  if (request.method === "POST" && pathname === LEAVE) event.waitUntil(caches.delete(KEPT));
  if (request.method !== "GET") return;
  if (pathname === PAGE) event.respondWith(page(request));
  else if (SHELL.includes(pathname)) event.respondWith(caches.match(request).then((kept) => kept ?? fetch(request)));
});

async function dropOld() {
  for (const name of await caches.keys()) {
    if (name.startsWith("stay-files-") && name !== FILES) await caches.delete(name);
  }
}

/** The network's answer; for a page that is to be shown, what was kept where none comes in time. */
async function page(request) {
  try {
    const answer = await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) });
    const kept = await caches.open(KEPT);
    if (answer.status === 200) await kept.put(PAGE, answer.clone());
    else if (answer.type === "opaqueredirect" || answer.status < 500) await kept.delete(PAGE);
    return answer;
  } catch (failure) {
    const kept = request.mode === "navigate" && (await (await caches.open(KEPT)).match(PAGE));
    if (kept) return kept;
    throw failure;
  }
}
