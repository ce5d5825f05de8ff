import { element } from "./dom.js";
export function wavePage() { return [element("p", {}, "")]; }
