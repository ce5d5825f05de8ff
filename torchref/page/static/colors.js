// One scale for all signed numbers: orange below zero, blue above, the page's own ground at zero.
// Orange and blue stay apart for every kind of colour blindness; sizes differ in lightness as well.

const ENDS = {
  light: { zero: [250, 250, 250], below: [176, 80, 0], above: [0, 66, 157] },
  dark: { zero: [38, 40, 44], below: [255, 172, 77], above: [104, 179, 255] },
};
const NOT_FINITE = [204, 0, 204];

// The colour of a value on a scale from -size to size, as [r, g, b]. A power below 1 keeps small values visible.
export function shade(value, size, theme, power = 0.7) {
  if (!Number.isFinite(value)) return NOT_FINITE;
  const ends = ENDS[theme];
  const end = value < 0 ? ends.below : ends.above;
  const share = size > 0 ? Math.min(1, Math.abs(value) / size) ** power : 0;
  return ends.zero.map((zero, i) => Math.round(zero + share * (end[i] - zero)));
}

// The theme that the page shows: set by its host, or else by the system.
export function theme() {
  const said = document.documentElement.dataset.theme;
  return said ?? (window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}
