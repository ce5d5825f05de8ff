import { element } from "./dom.js";
export function partingPage() { return [element("p", {}, "")]; }
