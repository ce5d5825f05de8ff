// The circuit player of the tab Backprop, on a page of its own.

import { circuitPage } from "./player/circuit-page.js";

export function playCircuits(place, circuits) {
  const app = {
    circuits,
    set: (state) => {
      Object.assign(app, state);
      app.draw();
    },
    draw: () => {
      const keep = document.activeElement?.dataset.keep; // the control that has the focus has it again
      place.replaceChildren(...circuitPage(app));
      if (keep) place.querySelector(`[data-keep="${CSS.escape(keep)}"]`)?.focus();
    },
  };
  app.draw();
}
