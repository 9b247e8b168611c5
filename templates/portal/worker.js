// Shows the last state of a guest's page where there is no network; the page itself says how old that is.

const SHELL = {{ shell|safe }};
const PAGE = "{{ page|escapejs }}";
const COMES_IN = "?{{ comes_in|escapejs }}";
const LEAVE = "{{ leave|escapejs }}";
const KEPT = "stay-page";
const FILES = "stay-files-{{ files|escapejs }}";
const PATIENCE_MS = 6000;
let guests = 0; // who comes in or goes makes whatever is still under way another one's

self.addEventListener("install", (event) => {
  const fresh = SHELL.map((url) => new Request(url, { cache: "reload" }));
  event.waitUntil(caches.open(FILES).then((files) => files.addAll(fresh)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(dropOld().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname, search } = new URL(request.url);
  if (origin !== self.location.origin) return;
  if (request.method === "POST" && pathname === LEAVE) event.waitUntil(forget());
  if (request.method !== "GET") return;
  if (pathname === PAGE && search === COMES_IN) event.respondWith(forget().then(() => page(request)));
  else if (pathname === PAGE) event.respondWith(page(request));
  else if (SHELL.includes(pathname)) event.respondWith(caches.match(request).then((kept) => kept ?? fetch(request)));
});

function forget() {
  guests += 1;
  return caches.delete(KEPT);
}

async function dropOld() {
  for (const name of await caches.keys()) {
    if (name.startsWith("stay-files-") && name !== FILES) await caches.delete(name);
  }
}

/** The network's answer; for a page that is to be shown, what was kept where none comes in time, or we know nothing. */
async function page(request) {
  const guest = guests;
  const kept = request.mode === "navigate" ? await caches.match(PAGE) : undefined;
  try {
    const answer = await fetch(request, kept ? { signal: AbortSignal.timeout(PATIENCE_MS) } : {});
    if (guest !== guests) return answer;
    if (answer.status >= 500 && kept) return kept;
    const cache = await caches.open(KEPT);
    if (answer.status === 200) await cache.put(PAGE, answer.clone());
    else if (answer.type === "opaqueredirect" || answer.status < 500) await cache.delete(PAGE);
    if (guest !== guests) await caches.delete(KEPT);
    return answer;
  } catch (failure) {
    if (kept && guest === guests) return kept;
    throw failure;
  }
}
