// Letting go of what staff want: first what will then hold, then one click.

import { ask } from "./ask.js";
import { namedLine } from "./dialogs.js";
import { say, sayMany, sayOf } from "./words.js";

/** confirm: a ConfirmDialog; label(id, name): how a meter is called here; onDone(): they were let go. */
export function openLetGo(confirm, ids, label, onDone = () => {}) {
  const isOne = ids.length === 1;
  confirm.open({
    title: isOne ? say("let_go_title_meter", { meter: label(ids[0], "") }) : say("let_go_title", { n: ids.length }),
    text: say("let_go_text"),
    button: say("let_go"),
    asksReason: true,
    plan: async () => {
      const told = await ask("/board/let-go/plan/", { meters: ids });
      return { isPossible: told.held > 0, lines: _lines(told, ids.length, label) };
    },
    act: (reason) => ask("/board/let-go/", { meters: ids, reason }),
    onDone,
  });
}

function _lines({ held, then }, all, label) {
  if (!held) return [namedLine("warn", say("let_go_nothing"))];
  const isOne = held === 1 && all === 1;
  const lines = then.flatMap(({ state, source, meters, moving }) => {
    const key = state === null ? "then_nothing" : state ? "then_on" : "then_off";
    const text = say(isOne ? `${key}_one` : key, { n: meters.length, source: source && sayOf("sources", source) });
    const moves = isOne ? say("then_moves_single") : sayMany("then_moves", moving);
    return [namedLine("", text, isOne ? [] : meters, label), moving && namedLine("warn", moves)];
  });
  return [...lines, all > held && namedLine("", sayMany("let_go_without", all - held))].filter(Boolean);
}
