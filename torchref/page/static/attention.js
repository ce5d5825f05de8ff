// Attention of one example, computed once more from what is recorded: of a sequence to itself, or to another one, with
// masks and dropout, or without.

const range = (n) => Array.from({ length: n }, (_, i) => i);
const dot = (a, b) => a.reduce((total, value, i) => total + value * b[i], 0);

function softmax(row) {
  const top = Math.max(...row);
  const exps = row.map((each) => Math.exp(each - top));
  const all = exps.reduce((a, b) => a + b, 0);
  return exps.map((each) => each / all);
}

// query, key, value, dy: [time][unit]; weights: query, key, value, out: {weight: (r, c) -> number, bias: (r) -> number};
// mask(head, q, s) -> number, added to the scores; kept(head, q, s) -> number, what dropout multiplies a weight by;
// extra: keys and values that every sequence has besides, [[k, v], ...].
// Returns by time: Q, K, V, O (the heads' results), y, dQ, dK, dV, dO; by head, query and key: P, after dropout, and dS.
export function attend(query, key, value, dy, weights, heads, mask, kept, extra) {
  const units = range(dy[0].length);
  const width = units.length / heads;
  const project = (rows, { weight, bias }) => rows.map((row) => units.map((r) => dot(row, row.map((_, c) => weight(r, c))) + bias(r)));
  const Q = project(query, weights.query);
  const K = [...project(key, weights.key), ...extra.map(([k]) => k)];
  const V = [...project(value, weights.value), ...extra.map(([, v]) => v)];
  const head = (row, h) => row.slice(h * width, (h + 1) * width);
  const root = Math.sqrt(width);
  const hidden = (h, q, s) => (s < key.length ? mask(h, q, s) : 0); // what every sequence has is hidden from none
  const whole = range(heads).map((h) => Q.map((row, q) => softmax(K.map((k, s) => dot(head(row, h), head(k, h)) / root + hidden(h, q, s)))));
  const P = whole.map((rows, h) => rows.map((row, q) => row.map((each, s) => each * kept(h, q, s))));
  const O = Q.map((_, q) => units.map((j) => dot(P[Math.floor(j / width)][q], V.map((v) => v[j]))));
  const y = project(O, weights.out);
  const dO = dy.map((row) => units.map((c) => dot(row, units.map((r) => weights.out.weight(r, c)))));
  const dS = range(heads).map((h) => Q.map((_, q) => {
    const dP = V.map((v, s) => kept(h, q, s) * dot(head(dO[q], h), head(v, h))); // back through dropout
    const mean = dot(dP, whole[h][q]);
    return dP.map((each, s) => whole[h][q][s] * (each - mean));
  }));
  const of = (r) => Math.floor(r / width);
  const dQ = Q.map((_, q) => units.map((r) => dot(dS[of(r)][q], K.map((k) => k[r])) / root));
  const dK = K.map((_, s) => units.map((r) => dot(dS[of(r)].map((row) => row[s]), Q.map((row) => row[r])) / root));
  const dV = V.map((_, s) => units.map((r) => dot(P[of(r)].map((row) => row[s]), dO.map((row) => row[r]))));
  return { query, key, value, dy, Q, K, V, O, y, P, dS, dQ, dK, dV, dO, width };
}
