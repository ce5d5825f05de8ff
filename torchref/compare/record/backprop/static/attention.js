// Self-attention of one example, computed once more from what is recorded.

const range = (n) => Array.from({ length: n }, (_, i) => i);
const dot = (a, b) => a.reduce((total, value, i) => total + value * b[i], 0);

function softmax(row) {
  const top = Math.max(...row);
  const exps = row.map((each) => Math.exp(each - top));
  const all = exps.reduce((a, b) => a + b, 0);
  return exps.map((each) => each / all);
}

// x, dy: [time][unit]; weights: inWeight, outWeight (r, c) -> number, inBias, outBias (r) -> number.
// Returns by time: Q, K, V, O (the heads' results), y, dQ, dO; by head, query and key: P, dS.
export function selfAttention(x, dy, { inWeight, inBias, outWeight, outBias }, heads) {
  const [units, times] = [x[0].length, range(x.length)];
  const width = units / heads;
  const project = (part) => x.map((row) => range(units).map((r) => dot(row, range(units).map((c) => inWeight(part * units + r, c))) + inBias(part * units + r)));
  const [Q, K, V] = [project(0), project(1), project(2)];
  const head = (row, h) => row.slice(h * width, (h + 1) * width);
  const P = range(heads).map((h) => Q.map((q) => softmax(K.map((k) => dot(head(q, h), head(k, h)) / Math.sqrt(width)))));
  const mix = (h, weights, j) => dot(weights, V.map((v) => v[h * width + j]));
  const O = times.map((t) => range(heads).flatMap((h) => range(width).map((j) => mix(h, P[h][t], j))));
  const y = O.map((row) => range(units).map((r) => dot(row, range(units).map((c) => outWeight(r, c))) + outBias(r)));
  const dO = dy.map((row) => range(units).map((c) => dot(row, range(units).map((r) => outWeight(r, c)))));
  const dS = range(heads).map((h) => times.map((t) => {
    const dP = V.map((v) => dot(head(dO[t], h), head(v, h)));
    const mean = dot(dP, P[h][t]);
    return dP.map((each, s) => P[h][t][s] * (each - mean));
  }));
  const dQ = times.map((t) => range(units).map((r) => dot(dS[Math.floor(r / width)][t], K.map((k) => k[r])) / Math.sqrt(width)));
  return { Q, K, V, O, y, P, dS, dQ, dO, width };
}
