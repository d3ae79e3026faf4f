// Geometry of the network that both kinds of map need.

export function eachPoint(geometry, visit) {
  const walk = (c) => (typeof c[0] === "number" ? visit(c) : c.forEach(walk));
  if (geometry) walk(geometry.coordinates);
}

/** [[west, south], [east, north]] of what there is to see: suspects and their surroundings first. */
export function boundsOf(network, now) {
  const low = [Infinity, Infinity];
  const high = [-Infinity, -Infinity];
  const stretch = (c) => {
    for (const i of [0, 1]) {
      low[i] = Math.min(low[i], c[i]);
      high[i] = Math.max(high[i], c[i]);
    }
  };
  const focus = document.querySelector("[data-suspect]") ? now.alerts[0] : null;
  const suspects = new Set([...(focus?.suspects.map((s) => s.pipe) ?? []), ...Object.keys(now.area ?? {})]);
  for (const f of network.features) if (suspects.has(f.properties.id)) eachPoint(f.geometry, stretch);
  if (Number.isFinite(low[0])) {
    const wide = Math.max(high[0] - low[0], high[1] - low[1], 0.004);
    return [
      [low[0] - wide * 0.4, low[1] - wide * 0.4],
      [high[0] + wide * 0.4, high[1] + wide * 0.4],
    ];
  }
  for (const f of network.features) eachPoint(f.geometry, stretch);
  for (const s of now.sensors) stretch([s.lon, s.lat]);
  if (!Number.isFinite(low[0]))
    return [
      [-1, -1],
      [1, 1],
    ];
  const margin = Math.max((high[0] - low[0]) * 0.02, (high[1] - low[1]) * 0.02, 0.0005);
  return [
    [low[0] - margin, low[1] - margin],
    [high[0] + margin, high[1] + margin],
  ];
}

/** Where to write a DMA's name: the middle of its pipes. */
export function dmaCentres(network) {
  const sums = new Map();
  for (const f of network.features) {
    const dma = f.properties.dma;
    if (!dma || !f.geometry || f.geometry.type === "Point") continue;
    const sum = sums.get(dma) ?? [0, 0, 0];
    eachPoint(f.geometry, (c) => {
      sum[0] += c[0];
      sum[1] += c[1];
      sum[2] += 1;
    });
    sums.set(dma, sum);
  }
  return new Map([...sums].map(([dma, [x, y, n]]) => [dma, [x / n, y / n]]));
}

/** Half way along each pipe, by its id. */
export function pipeMiddles(network) {
  const middles = new Map();
  for (const f of network.features) {
    if (f.geometry?.type !== "LineString") continue;
    const line = f.geometry.coordinates;
    const lengths = line.slice(1).map((c, i) => Math.hypot(c[0] - line[i][0], c[1] - line[i][1]));
    let left = lengths.reduce((a, b) => a + b, 0) / 2;
    let i = 0;
    while (i < lengths.length - 1 && left > lengths[i]) left -= lengths[i++];
    const share = lengths[i] ? left / lengths[i] : 0;
    middles.set(
      f.properties.id,
      [0, 1].map((k) => line[i][k] + (line[i + 1][k] - line[i][k]) * share),
    );
  }
  return middles;
}

/** Of each suspect pipe its share of the ranking, and its rank: that share beside the likeliest pipe's. */
export function suspectWeights(alerts) {
  const weights = new Map();
  for (const alert of alerts) {
    const best = Math.max(...alert.suspects.map((s) => s.probability));
    for (const s of alert.suspects) {
      const rank = s.probability / best;
      if (rank > (weights.get(s.pipe)?.rank ?? 0)) weights.set(s.pipe, { rank, share: s.probability });
    }
  }
  return weights;
}
