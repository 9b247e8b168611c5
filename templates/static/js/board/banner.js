// What everybody must know first: no contact, logged out, the link to the meters is down. Said once, calmly.

import { setAttribute, setHidden, setText } from "./dom.js";
import { isLinked } from "./truth.js";
import { clock, say } from "./words.js";

const banner = document.getElementById("banner");
const lamp = document.getElementById("lamp");

export function showBanner(store, link, now) {
  const [title, text] = _message(store, link, now);
  setText(banner.children[0], title);
  setText(banner.children[1], text);
  setHidden(banner.querySelector("a"), link.state !== "login");
  setHidden(banner, !title);
  const isDown = !isLinked(store.worker, now) && link.state !== "connecting";
  setAttribute(lamp, "data-link", isDown ? "lost" : link.state);
  setText(lamp.firstElementChild, say(isDown && link.state !== "login" && link.state !== "lost" ? "down" : link.state));
}

function _message(store, link, now) {
  const since = clock(link.heardAt, Date.now());
  if (link.state === "login") return [say("login_title"), say("login_text", { since })];
  if (link.state === "lost") return [say("server_title", { since }), say("server_text")];
  const { worker } = store;
  if (isLinked(worker, now)) return ["", ""];
  if (worker.heartbeat_at === null) return [say("worker_never_title"), say("worker_never_text")];
  if (!worker.alive || now >= worker.until) {
    return [say("worker_title", { since: clock(worker.heartbeat_at, now) }), say("worker_text")];
  }
  const lastMessage = Math.max(...[...store.areas.values()].map((area) => area.seen_at ?? 0));
  const title = lastMessage > 0 ? say("worker_title", { since: clock(lastMessage, now) }) : say("broker_title");
  return [title, say(worker.storing ? "broker_text" : "storing_text")];
}
