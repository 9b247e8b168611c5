// Words, numbers and times in the reader's language.

const language = document.documentElement.lang || "da";
const catalogue = JSON.parse(document.getElementById("words")?.textContent ?? "{}");
/** What the page must know of its reader and of the rules: {may: {switch, stop, resume}, now, zone, attempts,
 *  offs_an_hour, offered: {hold: key}, releasers: [name]}. */
export const page = { may: {}, offered: {}, releasers: [], ...JSON.parse(document.getElementById("page")?.textContent ?? "{}") };
const minutes = { hour: "2-digit", minute: "2-digit", timeZone: page.zone };
const timeOfDay = new Intl.DateTimeFormat(language, minutes);
const dayAndTime = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", ...minutes });
const seconds = new Intl.DateTimeFormat(language, { ...minutes, second: "2-digit" });
const isoMinutes = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "short", timeZone: page.zone });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "always" });
const HAIR_SPACE = "\u200a";
const numbers = [0, 1, 2, 3].map(
  (digits) => new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: "min2" }),
);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const byName = new Intl.Collator(language, { numeric: true }).compare;

/** The text of a key, with {name} filled in. */
export function say(key, values = {}) {
  return String(catalogue[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** The text of a key for so many: `key_one` where it is one; {n} is the number. */
export function sayMany(key, n, values = {}) {
  return say(n === 1 ? `${key}_one` : key, { n, ...values });
}

/** A word of one of the model's lists: sources, holds, statuses, failures, loads. */
export const sayOf = (list, key) => catalogue[list]?.[key] ?? key;

export const sayState = (state) => catalogue.states[state];
export const sayReason = (reason) => catalogue.reasons[reason] ?? say(reason);

export function number(value, digits = 0) {
  return numbers[digits].format(value);
}

/** An age for small places, whole minutes: "now", "3 min". */
export function shortAge(ms) {
  if (ms < MINUTE) return say("now");
  if (ms < HOUR) return say("minutes", { n: Math.floor(ms / MINUTE) });
  if (ms < 2 * DAY) return say("hours", { n: Math.floor(ms / HOUR) });
  return say("days", { n: Math.floor(ms / DAY) });
}

/** An age in words: "3 minutes ago". */
export function age(ms) {
  if (ms < 2000) return say("now");
  if (ms < MINUTE) return relative.format(-Math.max(0, Math.floor(ms / 1000)), "second");
  if (ms < HOUR) return relative.format(-Math.floor(ms / MINUTE), "minute");
  if (ms < 2 * DAY) return relative.format(-Math.floor(ms / HOUR), "hour");
  return relative.format(-Math.floor(ms / DAY), "day");
}

/** A time of day at the campsite, with the day when it is not within 12 hours. */
export function clock(ms, now) {
  return (Math.abs(now - ms) < 12 * HOUR ? timeOfDay : dayAndTime).format(ms);
}

/** As `clock`, with seconds. */
export function exactClock(ms, now) {
  return Math.abs(now - ms) < 12 * HOUR ? seconds.format(ms) : dayAndTime.format(ms);
}

/** The campsite's time as an <input type="datetime-local"> has it. */
export const inputTime = (ms) => isoMinutes.format(ms).replace(" ", "T");

/** 12 W, 12,3 kW from 10 kW on. */
export function watts(value) {
  return Math.abs(value) < 10_000 ? `${number(value)}${HAIR_SPACE}W` : `${number(value / 1000, 1)}${HAIR_SPACE}kW`;
}
