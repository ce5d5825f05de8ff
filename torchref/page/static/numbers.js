// Numbers as people read them; the exact one is a title away.

export function short(value) {
  if (typeof value === "string") return value; // nan and inf come as texts
  if (value === undefined || value === null) return "–";
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return String(value);
  return size >= 1e-3 && size < 1e5 ? String(Number(value.toPrecision(4))) : value.toExponential(2);
}

// Every digit that a float64 has.
export function exact(value) {
  return typeof value === "string" ? value : String(value);
}

export function percent(share) {
  return share > 0 && share < 0.01 ? "< 1 %" : `${Math.round(100 * share)} %`;
}

// How much of a bound a difference takes.
export function ofBound(difference, bound) {
  const share = Number(difference) / bound;
  return share <= 1 ? `${percent(share)} of the bound` : `${short(share)} times the bound`;
}

export function sum(values) {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

// [3, 5] as "[3, 5]"
export function place(index) {
  return index.length ? `[${index.join(", ")}]` : "";
}
