"""The check as a page: torchref itself runs in the visitor's browser, in Pyodide, and nothing leaves the machine.

`python -m torchref.browser FOLDER` writes the page. `answer` is what runs in the browser; it needs NumPy alone.
"""
