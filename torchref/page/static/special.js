// Functions that Math lacks.

// The error function: 2 / sqrt(pi) exp(-x^2) sum_n 2^n x^(2n+1) / (2n+1)!!, whose terms have one sign: nothing cancels.
export function erf(x) {
  if (Math.abs(x) > 6) return Math.sign(x); // to the last bit
  let [term, total] = [x, 0];
  for (let n = 0; Math.abs(term) > 1e-18 * Math.abs(total) && n < 400; n++) {
    total += term;
    term *= (2 * x * x) / (2 * n + 3);
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}

export const sigmoid = (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));

// log(1 + exp(x))
export const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
