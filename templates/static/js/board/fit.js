// The largest tiles with which all areas fit into the window. Reads the layout once, then writes once.

const SIZES = [
  // width, height, font
  [112, 52, 15],
  [100, 46, 14],
  [90, 42, 13.5],
  [80, 39, 13],
  [72, 36, 12.5],
  [66, 33, 12],
  [60, 36, 11.5],
  [60, 31, 11.5],
  [53, 28, 10.5],
];
const GAP = 3; // between tiles, as in board.css
const SECTION_GAP = 4;
const DENSE_BELOW = 70;
const DENSEST_BELOW = 60;

/** shown: [{section: an AreaSection, count: its tiles}]. Does nothing on a phone: there the tiles are a list. */
export function fitTiles(root, shown) {
  for (const { section, count } of shown) section.setCount(count);
  if (!shown.length || matchMedia("(max-width: 640px)").matches) return;
  const lines = _lines(shown);
  const room = innerHeight - root.getBoundingClientRect().top - scrollY - SECTION_GAP;
  const [width, height, font] = SIZES.find((size) => _height(lines, size) <= room) ?? SIZES.at(-1);
  root.style.setProperty("--tile-width", `${width}px`);
  root.style.setProperty("--tile-height", `${height}px`);
  root.style.setProperty("--tile-font", `${font}px`);
  root.dataset.density = width < DENSEST_BELOW ? "densest" : width < DENSE_BELOW ? "dense" : "roomy";
}

// Sections that stand side by side, by where they are now.
function _lines(shown) {
  const lines = new Map();
  for (const { section, count } of shown) {
    const { top, height } = section.node.getBoundingClientRect();
    const frame = height - section.tiles.offsetHeight;
    lines.set(top, [...(lines.get(top) ?? []), { count, frame, width: section.node.clientWidth - 20 }]);
  }
  return [...lines.values()];
}

function _height(lines, [tileWidth, tileHeight]) {
  const rows = ({ count, width }) => Math.ceil(count / Math.max(1, Math.floor((width + GAP) / (tileWidth + GAP))));
  const height = (section) => section.frame + rows(section) * (tileHeight + GAP) + SECTION_GAP;
  return lines.reduce((sum, line) => sum + Math.max(...line.map(height)), 0);
}
