// What is wanted of a meter and what was done about it, in words.

import { grades, isOpen } from "./truth.js";
import { age, clock, exactClock, page, say, sayMany, sayOf } from "./words.js";

/** "should be on, is not", "is being switched on", or "". */
export const sayWish = ({ wish }) => (wish ? say(wish) : "");

/** What a person is offered to do about it: "Switch on again", or "". */
export function offerOf({ wish, meter }) {
  const offer = page.offered[meter.want?.hold];
  return offer && wish.startsWith("should_") ? say(`${offer}_${meter.wanted ? "on" : "off"}`) : "";
}

/** What a machine wants is prolonged each minute: its end tells nobody anything. */
export function isLease(want) {
  return want.source === "policy" || want.source === "cleaning";
}

/** [term, text] of what is wanted: by whom, why, until when, why it is left alone. */
export function wantLines(meter, now) {
  const { want, wanted } = meter;
  if (!want) return [[say("wanted"), say("not_managed")]];
  const source = want.by ? `${sayOf("sources", want.source)} (${want.by})` : sayOf("sources", want.source);
  return [
    [say("wanted"), say(wanted ? "on" : "off")],
    [say("wanted_by"), `${source}, ${say("since", { since: clock(want.since, now) })}`],
    ...(want.reason ? [[say("wanted_why"), want.reason]] : []),
    [say("wanted_until"), want.until === null || isLease(want) ? say("until_changed") : clock(want.until, now)],
    ...(want.hold ? [[say("left_alone"), sayOf("holds", want.hold)]] : []),
  ];
}

/** The same, short: "on, staff (anna)". */
export function sayWant({ want, wanted }) {
  if (!want) return say("not_managed");
  const source = sayOf("sources", want.source);
  return `${say(wanted ? "on" : "off")}, ${want.by ? `${source} (${want.by})` : source}`;
}

/** Where a command stands, in one sentence. */
export function sayCommand(command, seen, now) {
  const { status, failure } = command;
  const wrong = failure ? sayOf("failures", failure) : "";
  const until = clock(command.expires_at, now);
  if (status === "queued" && command.not_before !== null && seen.status === "online") {
    const values = { wrong, n: command.attempts + 1, most: page.attempts, at: exactClock(command.not_before, now) };
    return say("command_again", values);
  }
  if (status === "queued") return say(seen.status === "online" ? "command_waiting" : "command_offline", { until });
  if (isOpen(command)) {
    const attempt = say("command_attempt", { n: command.attempts, most: page.attempts });
    return wrong ? `${attempt} ${say("command_before", { wrong })}` : attempt;
  }
  if (status === "failed") return sayMany("command_failed", command.attempts, { wrong });
  if (status === "expired") return say("command_expired", { until });
  if (status !== "confirmed") return sayOf("statuses", status);
  return command.load === "unknown" ? say("command_load_unknown") : "";
}

/** [{mark, text, time, note}] a grade of proof. */
export function gradeLines(command, now) {
  return grades(command).map(({ step, at, mark }) => ({
    mark,
    text: say(mark === "failed" ? `not_${step}` : `grade_${step}`),
    time: at === null ? "" : exactClock(at, now),
    note: step === "acknowledged" && mark === "done" ? say("grade_acknowledged_note") : "",
  }));
}

/** The title of a command: "Switch on, staff, 3 minutes ago". */
export function sayCommandTitle(command, now) {
  const what = say(command.state ? "command_on" : "command_off");
  return `${what}, ${say(command.automatic ? "automatic" : "by_hand")}, ${age(now - command.created_at)}`;
}
