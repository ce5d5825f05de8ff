// Python in a worker: Pyodide, NumPy and torchref's core are loaded; then questions are answered, one after the other.

import { loadPyodide } from "./pyodide/pyodide.mjs";

const WASM = "pyodide.asm.wasm";
const here = (path) => new URL(path, import.meta.url).href;
const load = self.fetch.bind(self);
const loaded = {};
let total = 0;

const sum = (sizes) => Object.values(sizes).reduce((a, b) => a + b, 0);

// Pyodide's own requests pass through here: they are counted, and the compressed runtime is unpacked.
self.fetch = async (resource, options) => {
  const address = String(resource.url ?? resource);
  const name = address.split("/").pop();
  if (name === WASM) return unpacked(await load(`${address}.gz`, options));
  return counted(await load(resource, options), name);
};

function counted(response, name) {
  if (!response.ok || !response.body) return response;
  const count = new TransformStream({
    transform(chunk, out) {
      loaded[name] = (loaded[name] ?? 0) + chunk.byteLength;
      self.postMessage({ kind: "loading", loaded: sum(loaded), total });
      out.enqueue(chunk);
    },
  });
  return new Response(response.body.pipeThrough(count), { status: response.status, headers: response.headers });
}

// Some servers say "Content-Encoding: gzip" of every .gz file: then it has been unpacked on the way.
async function unpacked(response) {
  if (!response.ok) throw new Error(`${WASM}.gz: the server answers ${response.status}`);
  const bytes = new Uint8Array(await counted(response, `${WASM}.gz`).arrayBuffer());
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const body = packed ? new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")) : bytes;
  return new Response(body, { headers: { "Content-Type": "application/wasm" } });
}

// What the code prints goes to the browser's console; beyond so many bytes of one check it is thrown away.
const LONGEST = 20_000;
const words = new TextDecoder();
let left = LONGEST;

function printed(bytes) {
  const shown = bytes.subarray(0, Math.max(left, 0));
  left -= bytes.length;
  if (shown.length) console.log(words.decode(shown));
  return bytes.length;
}

async function start() {
  const sizes = await (await load(here("sizes.json"))).json();
  total = sum(sizes);
  for (const [name, size] of Object.entries(sizes)) if (/\.m?js$/.test(name)) loaded[name] = size; // imported, not fetched
  const core = fetch(here("torchref.zip")).then((response) => response.arrayBuffer());
  const python = await loadPyodide({ indexURL: here("pyodide/"), lockFileURL: here("pyodide/pyodide-lock.json") });
  const problems = [];
  await python.loadPackage("numpy", { messageCallback: () => {}, errorCallback: (said) => problems.push(said) });
  if (!("numpy" in python.loadedPackages)) throw new Error(`NumPy could not be loaded. ${problems.join(" ")}`);
  python.setStdin({ stdin: () => null }); // input() has nothing to read
  python.setStdout({ write: printed });
  python.setStderr({ write: printed });
  python.unpackArchive(await core, "zip", { extractDir: "/torchref" });
  python.runPython("import sys; sys.path.append('/torchref')");
  return python.pyimport("torchref.browser.answer").answer;
}

try {
  const answer = await start();
  self.onmessage = ({ data }) => {
    left = LONGEST;
    try {
      self.postMessage({ kind: "answer", answer: JSON.parse(answer(JSON.stringify(data))) });
    } catch (error) {
      self.postMessage({ kind: "failed", error: String(error.message ?? error) });
    }
  };
  self.postMessage({ kind: "ready" });
} catch (error) {
  self.postMessage({ kind: "failed", error: String(error.message ?? error) });
}
