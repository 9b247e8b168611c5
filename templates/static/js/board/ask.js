// Asks the server to do something: JSON there and back. What is refused comes as a Refusal, with words for people.

import { say } from "./words.js";

const PATIENCE_MS = 15_000;

export class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** What the server answers. Throws Refusal. */
export async function ask(url, body = {}) {
  const answer = await _post(url, body).catch(() => null);
  if (!answer) throw new Refusal("unreachable", say("ask_unreachable"));
  const told = await answer.json().catch(() => null);
  if (answer.ok && told) return told;
  const words = say(answer.status === 403 ? "ask_forbidden" : "ask_failed");
  throw new Refusal(told?.error?.code ?? "failed", told?.error?.message ?? words);
}

function _post(url, body) {
  return fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": _token() },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
}

function _token() {
  return document.querySelector("meta[name=csrf-token]").content;
}

/** Any text that no other click has: who asks twice with it is answered once. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
