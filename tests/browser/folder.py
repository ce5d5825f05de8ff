"""The page as it is built, with a stand-in for Pyodide, and a server for it that answers what the page asks."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import chdir, contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from torchref.browser.answer import answer
from torchref.browser.build import build

STAND_IN = Path(__file__).with_name("stand_in")
WHEEL = "numpy-2.4.6-cp314-cp314-pyemscripten_2026_0_wasm32.whl"
NUMPY = b"the wheel"
WASM = b"\0asm\1\0\0\0"  # the smallest module
LOCK = {
    "info": {"python": "3.14.2"},
    "packages": {
        "numpy": {
            "name": "numpy",
            "file_name": WHEEL,
            "sha256": hashlib.sha256(NUMPY).hexdigest(),
            "depends": [],
            "imports": ["numpy"],
        },
        "scipy": {"name": "scipy", "file_name": "scipy.whl", "depends": ["numpy"]},
    },
}


def pyodide(folder):
    """A folder like npm's package pyodide."""
    folder.mkdir()
    (folder / "pyodide.mjs").write_text((STAND_IN / "pyodide.mjs").read_text())
    (folder / "pyodide.asm.mjs").write_text("export default 0;\n")
    (folder / "pyodide.asm.wasm").write_bytes(WASM)
    (folder / "python_stdlib.zip").write_bytes(b"the library")
    (folder / "pyodide-lock.json").write_text(json.dumps(LOCK))
    (folder / "package.json").write_text('{"name": "pyodide", "version": "9.8.7"}')
    return folder


def built(folder):
    """The page with NumPy in it, and what a first visit loads in bytes."""
    numpy = folder / WHEEL
    numpy.write_bytes(NUMPY)
    return folder / "page", build(folder / "page", pyodide(folder / "pyodide"), numpy)


@contextmanager
def served(folder):
    """Its address. The requests are answered in threads of this process, POST /answer by torchref."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=folder)

        def do_POST(self):
            said = answer(self.rfile.read(int(self.headers["Content-Length"])).decode()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_):
            pass

    # torchref writes what is judged into the folder that the process stands in
    with chdir(folder.parent), ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
