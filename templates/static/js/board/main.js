// The live board: the state from the page, then the server's messages, and a look at the clock each second.

import { AreaSection, SMALL, showSilentAreas } from "./areas.js";
import { showBanner } from "./banner.js";
import { Card } from "./card.js";
import { ConfirmDialog, OrderDialog } from "./dialogs.js";
import { setHidden, setText } from "./dom.js";
import { Filter } from "./filter.js";
import { fitTiles } from "./fit.js";
import { Link } from "./link.js";
import { Orders } from "./orders.js";
import { Panel } from "./panel.js";
import { Selection } from "./selection.js";
import { Stop } from "./stop.js";
import { Store } from "./store.js";
import { Tile } from "./tiles.js";
import { describe, isGone, isInState, isLinked, labels, passes, totals } from "./truth.js";
import { byName, number, page, say } from "./words.js";

const NO_AREA = { id: null, slug: "none", name: say("no_area"), in_service: true, bridge: "online", channel: null };

const store = new Store();
const root = document.getElementById("areas");
const tiles = new Map(); // meter id → Tile
const sections = new Map(); // area id → AreaSection
let names = new Map(); // meter id → label
let described = new Map(); // meter id → what truth.describe returned last
let isLaidOut = false;

const filter = new Filter(() => refresh({ layout: true }));
// What was kept for while the database is away is no page to go on with: the first answer loads the real one.
const link = new Link(page.kept_at ? _loadAgain : take, "/board/state.json", Date.now());
const known = (id) => ({
  seen: described.get(id),
  label: names.get(id),
  area: store.areas.get(store.meters.get(id)?.area),
  now: store.now(Date.now()),
});
const label = (id, name = "") => names.get(id) ?? name;
const card = new Card(root, known);
const confirm = new ConfirmDialog();
const order = new OrderDialog({ label, now: () => store.now(Date.now()), onDone: () => link.poll(Date.now()) });
const panel = new Panel(known, order, confirm);
const stop = new Stop(confirm);
const orders = new Orders({ label, confirm, open: (id) => panel.open(id), resized: () => (isLaidOut = false) });
const selection = new Selection({ shown: _shownIds, order, confirm, label, onChange: () => refresh({ layout: true }) });

function take(message, isExact) {
  const isNews = (id) => !tiles.has(id);
  const change = store.apply(message, Date.now(), isExact);
  if (change.whole || change.meters.some(isNews) || message.meters?.some(_moved)) build();
  refresh({ layout: change.whole });
  return change;
}

// A meter whose place in the order or whose area changed.
function _moved(meter) {
  const seen = described.get(meter.id)?.meter;
  return !seen || seen.name !== meter.name || seen.area !== meter.area || String(seen.pitches) !== String(meter.pitches);
}

function _loadAgain() {
  location.reload();
  return { whole: false, missed: false };
}

const areaOf = (meter) => store.areas.get(meter.area) ?? NO_AREA;

/** Brings sections and tiles into their order; keeps those that exist. */
function build() {
  names = labels([...store.meters.values()]);
  const areas = _inOrder([...store.areas.values()]);
  filter.showAreas(areas);
  if ([...store.meters.values()].some((meter) => areaOf(meter) === NO_AREA)) areas.push(NO_AREA);
  for (const area of areas) if (!sections.has(area.id)) sections.set(area.id, new AreaSection(area, { label, choose: _chooseArea }));
  for (const id of sections.keys()) if (!areas.some((area) => area.id === id)) sections.delete(id);
  _arrange(root, areas.map((area) => sections.get(area.id).node));
  for (const meter of store.meters.values()) if (!tiles.has(meter.id)) tiles.set(meter.id, new Tile(meter));
  for (const id of tiles.keys()) if (!store.meters.has(id)) tiles.delete(id);
  const sorted = [...store.meters.values()].sort((a, b) => byName(names.get(a.id), names.get(b.id)) || a.id - b.id);
  for (const area of areas) {
    const own = sorted.filter((meter) => areaOf(meter) === area);
    _arrange(sections.get(area.id).tiles, own.map((meter) => tiles.get(meter.id).node));
  }
}

// By name; those that share a line after those that fill one; those that are being commissioned last.
function _inOrder(areas) {
  const counts = new Map();
  for (const meter of store.meters.values()) if (!isGone(meter)) counts.set(meter.area, (counts.get(meter.area) ?? 0) + 1);
  const rank = (area) => (area.in_service ? 0 : 2) + ((counts.get(area.id) ?? 0) <= SMALL ? 1 : 0);
  return areas.sort((a, b) => rank(a) - rank(b) || byName(a.name, b.name));
}

function _arrange(parent, nodes) {
  const isSame = parent.children.length === nodes.length && nodes.every((node, i) => parent.children[i] === node);
  if (!isSame) parent.replaceChildren(...nodes);
}

/** Writes what is true now into the page: only what differs from what stands there. */
function refresh({ layout = false } = {}) {
  const now = store.now(Date.now());
  const counts = new Map();
  const shownIn = new Map();
  described = new Map();
  for (const meter of store.meters.values()) {
    const seen = describe(meter, store, now);
    const [tile, label, area] = [tiles.get(meter.id), names.get(meter.id), areaOf(meter)];
    described.set(meter.id, seen);
    for (const state of filter.states) {
      const wanted = { area: filter.area, text: filter.text, state };
      if (isInState(seen, state) && passes(seen, label, area, wanted)) counts.set(state, (counts.get(state) ?? 0) + 1);
    }
    const isShown = passes(seen, label, area, filter);
    layout ||= tile.node.hidden === isShown;
    setHidden(tile.node, !isShown);
    if (isShown) {
      shownIn.set(area.id, (shownIn.get(area.id) ?? 0) + 1);
      tile.show(seen, label, now);
      tile.choose(selection.isOn, selection.has(meter.id));
    }
  }
  filter.showCounts(counts);
  layout = showSilentAreas(store, now) || layout;
  _showAreas(shownIn, now);
  _showTotals(isLinked(store.worker, now));
  showBanner(store, link, now);
  stop.refresh(store, now);
  orders.refresh(store, Date.now());
  selection.refresh(store.meters);
  card.refresh();
  panel.refresh();
  if (layout || !isLaidOut) _layOut(shownIn);
}

function _showAreas(shownIn, now) {
  for (const [id, section] of sections) {
    const area = store.areas.get(id) ?? NO_AREA;
    const own = [...described.values()].filter((seen) => areaOf(seen.meter) === area);
    const shown = shownIn.get(id) ?? 0;
    setHidden(section.node, filter.isActive && !shown);
    section.show(area, own, shown, Boolean(filter.state || filter.text), store, now);
  }
}

function _showTotals(isKnown) {
  const all = [...described.values()];
  const sum = totals(all);
  const watched = totals(all.filter((seen) => areaOf(seen.meter).in_service));
  setText(document.getElementById("total-power"), say("total_power", { power: sum.watts === null ? "–" : number(sum.watts / 1000, 1) }));
  setText(document.getElementById("total-online"), say("total_online", isKnown ? watched : { ...watched, online: "–" }));
  const lacking = sum.lacking ? say("total_lacking", { n: sum.lacking }) : sum.all ? say("total_complete") : "";
  setText(document.getElementById("total-lacking"), lacking);
  const none = document.getElementById("none-shown");
  setText(none, say(store.meters.size ? "none_shown" : "no_meters"));
  setHidden(none, [...tiles.values()].some((tile) => !tile.node.hidden));
}

function _shownIds() {
  return [...tiles].filter(([, tile]) => !tile.node.hidden).map(([id]) => id);
}

function _chooseArea(areaId) {
  selection.flipAll(_shownIds().filter((id) => areaOf(store.meters.get(id)).id === areaId));
}

// A click opens the panel, or chooses; with a modifier the link leads to the meter's page as links do.
root.addEventListener("click", (event) => {
  const tile = event.target.closest(".tile");
  if (!tile || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const id = Number(tile.dataset.id);
  if (selection.isOn) selection.flip(id);
  else {
    card.close();
    panel.open(id);
  }
});
root.addEventListener("keydown", (event) => {
  if (event.key !== " " || !event.target.matches(".tile")) return;
  event.preventDefault();
  event.target.click();
});

function _layOut(shownIn) {
  isLaidOut = true;
  const shown = [...sections].filter(([, section]) => !section.node.hidden);
  fitTiles(
    root,
    shown.map(([id, section]) => ({ section, count: shownIn.get(id) ?? 0 })),
  );
}

function beat() {
  link.beat(Date.now());
  refresh();
}

take(JSON.parse(document.getElementById("state").textContent), false);
beat();
setInterval(beat, 1000);
addEventListener("resize", () => refresh({ layout: true }));
addEventListener("online", () => link.poll(Date.now()));
addEventListener("pageshow", (event) => event.persisted && link.poll(Date.now()));
document.addEventListener("visibilitychange", () => document.hidden || beat());
