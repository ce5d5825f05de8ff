// Layers that treat each entry by itself: dx = dy times one factor.

// kind -> [formula, factor(x, y, options)]; undefined where the factor cannot be seen in x and y.
const FACTORS = {
  ReLU: ["1 where y ≠ 0, else 0", (x, y) => Number(y !== 0)],
  LeakyReLU: ["1 where x > 0, else the negative slope", (x, y, { negative_slope: slope }) => (x > 0 ? 1 : slope)],
  Tanh: ["1 − y²", (x, y) => 1 - y * y],
  Sigmoid: ["y (1 − y)", (x, y) => y * (1 - y)],
  Identity: ["1", () => 1],
  Dropout: ["1 / (1 − p) where it was kept, else 0", dropped],
};
export const KINDS = [...Object.keys(FACTORS), "Flatten"];

function dropped(x, y, { p, training }) {
  if (training === false || p === 0) return 1;
  if (y !== 0) return 1 / (1 - p);
  return x === 0 ? undefined : 0;
}

export function input(step, layer, index) {
  const dy = step.tensors[layer.dy];
  if (layer.kind === "Flatten") return flattened(step, layer, index);
  const [formula, factor] = FACTORS[layer.kind];
  const [x, y] = [step.tensors[layer.x]?.at(index), step.tensors[layer.y].at(index)];
  const value = factor(x, y, layer.options);
  if (value === undefined) return { words: "x is 0 here: y does not show whether dropout has kept it." };
  return {
    headline: `dL/dx[${index.join(", ")}] = dy[${index.join(", ")}] · factor, factor = ${formula}`,
    groups: [{ name: layer.says, columns: ["x", "y", "dy", "factor"], terms: [{ cells: [x, y, dy.at(index), value], value: dy.at(index) * value }] }],
  };
}

// One entry of x makes one of y.
export function output(step, layer, index) {
  if (layer.kind === "Flatten") return { words: "A flattened tensor keeps its numbers: only the shape changes." };
  const [x, y] = [step.tensors[layer.x]?.at(index), step.tensors[layer.y].at(index)];
  return { words: `${layer.says} of x[${index.join(", ")}] = ${x} is ${y}.` };
}

// Nothing but the shape changes.
function flattened(step, layer, index) {
  const [x, dy] = [step.tensors[layer.x], step.tensors[layer.dy]];
  const inner = index.slice(1).reduce((offset, i, axis) => offset * x.shape[axis + 1] + i, 0);
  const value = dy.at([index[0], inner]);
  if (value === undefined) return { words: `It is dy[${index[0]}, ${inner}], which is not recorded: a flattened tensor keeps its numbers.` };
  return { headline: `dL/dx[${index.join(", ")}] = dy[${index[0]}, ${inner}]: only the shape changes`, groups: [{ name: "one entry", columns: ["at"], terms: [{ cells: [`[${index[0]}, ${inner}]`], value }] }] };
}
