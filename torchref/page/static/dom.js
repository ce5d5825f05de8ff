// Elements, in one line each.

const SVG = "http://www.w3.org/2000/svg";

// element("div", {class: "card", onclick: f}, child, "text", ...)
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// A row of buttons of which one is pressed: {value: label}.
export function choice(label, options, chosen, onchoose) {
  const buttons = Object.entries(options).map(([value, text]) =>
    element("button", { type: "button", "aria-pressed": String(value === chosen), onclick: () => onchoose(value) }, text),
  );
  return element("div", { class: "choice", role: "group", "aria-label": label }, ...buttons);
}

// A drop-down list of values, with a label in front.
export function select(label, values, chosen, onchoose) {
  const options = values.map((value) => element("option", { value, selected: value === chosen }, value || "(this run)"));
  const list = element("select", { onchange: () => onchoose(list.value) }, ...options);
  return element("label", {}, `${label} `, list);
}
