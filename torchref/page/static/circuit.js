// Scalar graphs: values forward, gradients backward, as torchref.circuit computes them.

// By the name of an operation: its value, and its derivative with respect to each operand.
const OPERATIONS = {
  "+": [(a, b) => a + b, () => [1, 1]],
  "*": [(a, b) => a * b, (a, b) => [b, a]],
  "*-1": [(a) => -a, () => [-1]],
  "1/x": [(a) => 1 / a, (a) => [-1 / a ** 2]],
  exp: [Math.exp, (a) => [Math.exp(a)]],
  tanh: [Math.tanh, (a) => [1 - Math.tanh(a) ** 2]],
  relu: [(a) => Math.max(a, 0), (a) => [Number(a > 0)]],
};

function operation(name) {
  if (!name.startsWith("^")) return OPERATIONS[name];
  const k = Number(name.slice(1));
  return [(a) => a ** k, (a) => [k * a ** (k - 1)]];
}

// Whether a value is put in by hand: it has no operands, and is no constant (whose name is what it is).
export function isInput(value) {
  return value.operands.length === 0 && Number.isNaN(Number(value.name));
}

// The circuit computed anew from its inputs: data, local derivatives, gradients, and what each step adds.
//   values: [{name, operands, data}, ...], operands before what is made of them; the last is the result.
// Returns {values: [{name, operands, data, local, grad}], backward: [{from, to, adds}, ...]} in the order of the sums.
export function compute(values) {
  const done = [];
  for (const value of values) {
    const inputs = value.operands.map((i) => done[i].data);
    const [forward, derivative] = value.operands.length ? operation(value.name) : [() => value.data, () => []];
    done.push({ name: value.name, operands: value.operands, data: forward(...inputs), local: derivative(...inputs), grad: 0 });
  }
  done.at(-1).grad = 1;
  const backward = [];
  for (let i = done.length - 1; i >= 0; i--)
    done[i].operands.forEach((operand, j) => {
      const adds = done[i].local[j] * done[i].grad;
      done[operand].grad += adds;
      backward.push({ from: i, to: operand, local: done[i].local[j], upstream: done[i].grad, adds, sum: done[operand].grad });
    });
  return { values: done, backward };
}
