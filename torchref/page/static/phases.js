// The parts of a training step in their order: forward layer by layer, loss, backward layer by layer, update.

export const PHASES = {
  forward: "Forward: each layer makes its output from the one before it.",
  loss: "Loss: one number says how wrong the output is.",
  backward: "Backward: each layer hands the gradient on to the one before it, and leaves that of its weights.",
  update: "Update: the optimizer moves the weights against their gradients.",
};

// [{phase, layer: number or null}, ...]
export function moments(step) {
  const layers = step.layers.map((_, i) => i);
  return [
    ...layers.map((layer) => ({ phase: "forward", layer })),
    { phase: "loss", layer: null },
    ...layers.reverse().map((layer) => ({ phase: "backward", layer })),
    { phase: "update", layer: null },
  ];
}

// Whether a tensor of a layer has been computed at a moment, is computed in it, or comes later.
export function state(all, now, phase, layer) {
  const when = all.findIndex((moment) => moment.phase === phase && (moment.layer === layer || moment.layer === null));
  if (now >= all.length) return "done";
  return when < now ? "done" : when === now ? "now" : "later";
}
