// A page that asks for itself again: each section marked data-live is replaced where it has changed. What is being typed
// in stays, and so does which button has the focus.

const PATIENCE_MS = 8_000;

/** Asks for the page; whether the server told it. Where it did not, the page says so, and is greyed. */
export async function renew() {
  const isTold = await ask();
  document.getElementById("lost").hidden = isTold;
  document.body.toggleAttribute("data-lost", !isTold);
  return isTold;
}

async function ask() {
  try {
    const answer = await fetch(location.href, { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (answer.type === "opaqueredirect") location.reload(); // logged out: to the log-in page
    else if (answer.ok) takeOver(new DOMParser().parseFromString(await answer.text(), "text/html"));
    else return false;
    return true;
  } catch {
    return false;
  }
}

function takeOver(told) {
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = told.getElementById(old.id);
    if (!fresh) continue;
    const opened = [...old.querySelectorAll("details")].map((details) => details.open);
    [...fresh.querySelectorAll("details")].forEach((details, index) => (details.open = opened[index] ?? details.open));
    keepTokens(old, fresh);
    if (fresh.isEqualNode(old)) continue;
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const act = focused?.dataset.act;
    if ((focused && !act) || isTypedIn(old)) continue;
    const taken = document.importNode(fresh, true);
    old.replaceWith(taken);
    if (act) taken.querySelector(`[data-act="${act}"], [data-act]`)?.focus({ preventScroll: true });
  }
}

// Each answer masks the same secret anew: that is no change.
function keepTokens(old, fresh) {
  const token = old.querySelector("[name=csrfmiddlewaretoken]")?.getAttribute("value");
  if (!token) return;
  for (const input of fresh.querySelectorAll("[name=csrfmiddlewaretoken]")) input.setAttribute("value", token);
}

const isTypedIn = (section) =>
  [...section.querySelectorAll("input, select")].some((input) =>
    input.type === "checkbox" ? input.checked !== input.defaultChecked : input.tagName === "INPUT" && input.value !== input.defaultValue,
  );
