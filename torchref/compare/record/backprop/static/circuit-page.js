import { element } from "./dom.js";
export function circuitPage() { return [element("p", {}, "")]; }
