// How things fit onto a display: the size of its type, the grid of a page, and what gives way where there is no room.

import { _, number } from "./common.js";

const ARC = Math.tan((16 / 60) * (Math.PI / 180)); // a capital seen under 16 minutes of arc, by its distance
const CAPITAL = 0.72; // height of a capital by the size of its type, of the sans serifs that the pages use
const LARGEST = 1 / 11; // of the display's shorter side: beyond this a page holds nothing any more
const SMALLEST = 1 / 60;

/** The size of type [px] that is read from `metres` on a display of `inches` whose picture is w by h [px]. */
export function typeSize(inches, metres, w, h) {
  const perMetre = Math.hypot(w, h) / (inches * 0.0254);
  const size = ((metres * ARC) / CAPITAL) * perMetre;
  const side = Math.min(w, h);
  return Math.max(side * SMALLEST, Math.min(size, side * LARGEST));
}

/** Put the panels of a page where they belong, lying or standing. */
export function arrange(page, upright) {
  const way = upright ? "upright" : "wide";
  const [rows, columns] = JSON.parse(page.dataset.grid)[way];
  page.style.gridTemplate = `repeat(${rows}, minmax(0, 1fr)) / repeat(${columns}, minmax(0, 1fr))`;
  for (const panel of page.children) {
    const [row, column, high, wide] = JSON.parse(panel.dataset.area)[way];
    panel.style.gridArea = `${row} / ${column} / span ${high} / span ${wide}`;
  }
}

/** Hide what does not fit into a panel's body, the least urgent first, and say how much there is beyond. */
export function fit(body) {
  const items = [...body.querySelectorAll("[data-rank]")];
  if (!items.length) return;
  const note = body.querySelector("[data-more]");
  const list = items[0].parentElement;
  for (const item of items) item.hidden = false;
  const beyond = Number(body.dataset.total) - items.length;
  const say = (count) => {
    note.hidden = count <= 0;
    note.textContent = _("… and %(n)s more", { n: number(count, 0) });
  };
  say(beyond);
  const full = () => list.scrollHeight > list.clientHeight + 1;
  if (!full()) return;
  const last = [...items].sort((a, b) => Number(b.dataset.rank) - Number(a.dataset.rank));
  let hidden = 0;
  for (const item of last) {
    if (hidden === items.length - 1) break; // one is always there, if cut off
    item.hidden = true;
    hidden += 1;
    say(beyond + hidden);
    if (!full()) break;
  }
}
