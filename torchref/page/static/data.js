// A recorded step: its structure, and the entries of its tensors. Knows nothing of TensorBoard, nor of the page.

export class Step {
  // packed: {structure, tensors: {numpy: {tag: base64}, torch: {tag: base64}}}
  constructor(packed) {
    const { structure, tensors } = packed;
    this.structure = structure;
    this.number = structure.step;
    this.layers = structure.layers;
    this.tensors = {};
    for (const [tag, said] of Object.entries(structure.tensors)) {
      const entries = (engine) => (tensors[engine]?.[tag] === undefined ? null : decoded(tensors[engine][tag]));
      this.tensors[tag] = new Tensor(tag, said, entries("numpy"), entries("torch"));
    }
  }

  // The layer that a tag belongs to, and what the tensor is to it.
  find(tag) {
    if (tag === "target") return { layer: null, what: "target" };
    for (const layer of this.layers) {
      for (const what of ["y", "dy", "x"]) if (layer[what] === tag) return { layer, what };
      if (Object.values(layer.also ?? {}).includes(tag)) return { layer, what: "also" };
      for (const [parameter, tags] of Object.entries(layer.parameters))
        for (const [what, each] of Object.entries(tags)) if (each === tag) return { layer, what, parameter };
    }
    return { layer: null, what: "" };
  }

  // The layers that take what this one puts out.
  users(layer) {
    return this.layers.filter((other) => (other.from ?? other.x) === layer.y || Object.values(other.takes ?? {}).includes(layer.y));
  }

  // All runs of a layer: one, unless it is used several times, or the batch is taken in parts.
  runs(layer) {
    return this.layers.filter((other) => other.name === layer.name);
  }
}

export class Tensor {
  constructor(tag, said, numpy, torch) {
    Object.assign(this, { tag, said, numpy, torch });
    const { shape, kept, axes, bound, bound_is } = said;
    Object.assign(this, { shape, kept, axes, boundIs: bound_is });
    this.bound = Number.isFinite(bound) ? bound : undefined; // inf and nan come as texts: no bound is known
    this.strides = kept.map((_, axis) => kept.slice(axis + 1).reduce((a, b) => a * b, 1));
  }

  // Whether every entry along an axis, or along all, is recorded.
  whole(axis = null) {
    if (axis !== null) return this.kept[axis] === this.shape[axis];
    return this.shape.every((size, i) => size === this.kept[i]);
  }

  has(index) {
    return index.every((i, axis) => i >= 0 && i < this.kept[axis]);
  }

  // An entry; undefined where it is not recorded.
  at(index, engine = "numpy") {
    const entries = this[engine];
    if (!entries || !this.has(index)) return undefined;
    return entries[index.reduce((offset, i, axis) => offset + i * this.strides[axis], 0)];
  }

  difference(index) {
    const [ours, theirs] = [this.at(index), this.at(index, "torch")];
    if (ours === undefined || theirs === undefined) return undefined;
    return Object.is(ours, theirs) || ours === theirs ? 0 : ours - theirs;
  }

  // "64 examples × 256 units", and what of it is recorded.
  describe() {
    if (!this.shape.length) return "a number";
    return this.shape.map((size, axis) => `${size} ${plural(this.axes[axis] ?? `axis ${axis}`, size)}`).join(" × ");
  }

  cutSays() {
    return this.whole() ? "" : `recorded: the first ${this.kept.join(" × ")}`;
  }

  // The largest size among the recorded entries of both engines.
  scale() {
    let largest = 0;
    for (const entries of [this.numpy, this.torch])
      for (const value of entries ?? []) if (Math.abs(value) > largest && Number.isFinite(value)) largest = Math.abs(value);
    return largest;
  }
}

function plural(name, count) {
  return count === 1 ? name : `${name}s`;
}

// Every index of a shape, the last axis fastest.
export function* indices(shape) {
  if (shape.some((size) => size === 0)) return;
  const index = shape.map(() => 0);
  for (;;) {
    yield [...index];
    let axis = shape.length - 1;
    while (axis >= 0 && ++index[axis] === shape[axis]) index[axis--] = 0;
    if (axis < 0) return;
  }
}

// base64 of little-endian float64.
export function decoded(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float64Array.from({ length: bytes.length / 8 }, (_, i) => view.getFloat64(8 * i, true));
}
