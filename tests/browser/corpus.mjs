// The corpus in WebAssembly, in node:  node tests/browser/corpus.mjs PYODIDE [FIRST STEP [PRELUDE.py]]
// PYODIDE is a folder with the runtime; NumPy's wheel lies in it, or comes from Pyodide's CDN. Ends with status 1, and
// the names, where an entry is judged otherwise than in CPython.

import path from "node:path";
import { readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

const [folder, first = "0", step = "1", prelude] = process.argv.slice(2);
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const { loadPyodide } = await import(pathToFileURL(path.resolve(folder, "pyodide.mjs")));
const python = await loadPyodide({ indexURL: path.resolve(folder) });
await python.loadPackage("numpy", { messageCallback: () => {} });
python.mountNodeFS("/torchref", root);
if (prelude) python.runPython(readFileSync(prelude, "utf-8"));
const wrong = python.runPython(`
import sys, warnings
sys.dont_write_bytecode = True
sys.path.insert(0, "/torchref")
from tests.browser import alone
assert sys.platform == "emscripten"
from tests.check.figures import misjudged
warnings.simplefilter("ignore")
chosen = alone.entries()[${Number(first)}::${Number(step)}]
said = {entry.name: misjudged(entry) for entry in chosen}
print(f"{sum(not words for words in said.values())} of {len(said)} as expected")
"\\n".join(f"{name}: {words}" for name, words in said.items() if words)
`);
if (wrong) {
  console.log(wrong);
  process.exit(1);
}
