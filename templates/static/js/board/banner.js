// What everybody must know first: no contact, logged out, the link to the meters is down. Said once, calmly.

import { setAttribute, setHidden, setText } from "./dom.js";
import { isLinked } from "./truth.js";
import { clock, page, say } from "./words.js";

const banner = document.getElementById("banner");
const lamp = document.getElementById("lamp");

export function showBanner(store, link, now) {
  const [title, text] = _message(store, link, now);
  setText(banner.children[0], title);
  setText(banner.children[1], text);
  setHidden(banner.querySelector("a"), link.state !== "login");
  setHidden(banner, !title);
  const state = page.kept_at && link.state !== "login" ? "lost" : link.state;
  const isDown = !isLinked(store.worker, now) && state !== "connecting";
  setAttribute(lamp, "data-link", isDown ? "lost" : state);
  setText(lamp.firstElementChild, say(isDown && state !== "login" && state !== "lost" ? "down" : state));
}

function _message(store, link, now) {
  const since = clock(link.heardAt, Date.now());
  if (link.state === "login") return [say("login_title"), say("login_text", { since })];
  if (page.kept_at) return [say("kept_title", { since: clock(page.kept_at, Date.now()) }), say("kept_text")];
  if (link.state === "lost") return [say("server_title", { since }), say("server_text")];
  const [title, text] = isLinked(store.worker, now) ? _ofAreas(store) : _ofTheLink(store, now);
  if (!title) return ["", ""];
  return [title, page.may.switch ? `${text} ${say("orders_wait", { n: page.waits_min })}` : text];
}

// Each area may have a worker of its own, and one of them be away.
function _ofAreas({ worker, areas }) {
  const unheard = [...areas.values()].filter((area) => area.in_service && worker.unheard?.includes(area.id));
  if (!unheard.length) return ["", ""];
  return [say("unheard_title", { areas: unheard.map((area) => area.name).join(", ") }), say("unheard_text")];
}

function _ofTheLink(store, now) {
  const { worker } = store;
  if (worker.heartbeat_at === null) return [say("worker_never_title"), say("worker_never_text")];
  if (!worker.alive || now >= worker.until) {
    return [say("worker_title", { since: clock(worker.heartbeat_at, now) }), say("worker_text")];
  }
  const lastMessage = Math.max(...[...store.areas.values()].map((area) => area.seen_at ?? 0));
  const title = lastMessage > 0 ? say("worker_title", { since: clock(lastMessage, now) }) : say("broker_title");
  return [title, say(worker.storing ? "broker_text" : "storing_text")];
}
