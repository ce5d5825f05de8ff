// In Pyodide's place, for the tests of the page: it asks for the same files, and a server answers the questions.

export async function loadPyodide({ indexURL, lockFileURL }) {
  const wasm = await WebAssembly.compileStreaming(fetch(`${indexURL}pyodide.asm.wasm`));
  if (!(wasm instanceof WebAssembly.Module)) throw new Error("no runtime");
  const lock = await (await fetch(lockFileURL)).json();
  const loadedPackages = {};
  return {
    loadedPackages,
    async loadPackage(name, { errorCallback }) {
      const response = await fetch(new URL(lock.packages[name].file_name, indexURL));
      if (response.ok) loadedPackages[name] = "default channel";
      else errorCallback(`the server answers ${response.status}.`);
    },
    unpackArchive(buffer, format, { extractDir }) {
      if (!buffer.byteLength || format !== "zip" || !extractDir) throw new Error("no archive");
    },
    setStdin() {},
    setStdout() {},
    setStderr() {},
    runPython() {},
    pyimport: () => ({ answer }),
  };
}

function answer(question) {
  if (question.includes("while True")) for (;;);
  const request = new XMLHttpRequest();
  request.open("POST", "/answer", false);
  request.send(question);
  if (request.status !== 200) throw new Error(`the server answers ${request.status}`);
  return request.responseText;
}
