// Where names on the map go: near their place, clear of the signs of alerts and of each other.

const GAP = 2;

const overlap = (a, b) =>
  Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left)) *
  Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));

const around = (x, y, width, height) => ({
  left: x - width / 2 - GAP,
  right: x + width / 2 + GAP,
  top: y - height / 2 - GAP,
  bottom: y + height / 2 + GAP,
});

/** Steps away from its place that a name of this size may go, nearest first; no farther than a sign is high. */
function steps(width, height) {
  const out = [];
  for (let row = -3; row <= 3; row += 1)
    for (const column of [-0.5, -0.25, 0, 0.25, 0.5]) out.push([column * width, row * (height / 2 + GAP)]);
  return out.sort((a, b) => Math.hypot(...a) - Math.hypot(...b));
}

/**
 * Offsets [dx, dy] in pixels of names from their places, one each. names: {x, y, width, height}, of a middle; taken:
 * rectangles {left, right, top, bottom} that none may cover; size: {width, height} of the map.
 */
export function spread(names, taken, size) {
  const offsets = names.map(() => [0, 0]);
  const placed = [...taken];
  const order = names.map((_, i) => i).sort((i, j) => names[i].y - names[j].y);
  for (const i of order) {
    const { x, y, width, height } = names[i];
    let best = Infinity;
    let box = null;
    for (const [dx, dy] of steps(width, height)) {
      const at = around(x + dx, y + dy, width, height);
      const outside = at.left < 0 || at.top < 0 || at.right > size.width || at.bottom > size.height;
      const covered = placed.reduce((sum, other) => sum + overlap(at, other), 0);
      const cost = covered + (outside && (dx || dy) ? 1e6 : 0) + Math.hypot(dx, dy) / 100;
      if (cost >= best) continue;
      best = cost;
      box = at;
      offsets[i] = [dx, dy];
    }
    placed.push(box);
  }
  return offsets;
}
