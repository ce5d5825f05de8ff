"""The TensorBoard plugin: what is recorded goes to the browser, and the tab's own files, nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tensorboard import plugin_util
from tensorboard.backend import http_util
from tensorboard.context import RequestContext
from tensorboard.data.provider import RunTagFilter
from tensorboard.plugins import base_plugin
from werkzeug import Request, Response

from torchref.compare.record.backprop.browser import packed
from torchref.compare.record.backprop.names import PLUGIN, STRUCTURE
from torchref.page.circuits import circuits
from torchref.page.inline import STATIC

__all__ = ["BackpropPlugin"]

OWN = Path(__file__).parent / "static"  # what knows of TensorBoard; the rest is every page's
KINDS = {".js": "text/javascript", ".css": "text/css"}
REPORT = "referee/report/text_summary"  # as `torchref.referee.Report.write` names it, and SummaryWriter after it
ALL = 1_000_000  # more than any tag has steps


class BackpropPlugin(base_plugin.TBPlugin):  # type: ignore[misc]
    """The tab "Backprop". A variant is the folder of a run of NumPy's and one of torch's."""

    plugin_name = PLUGIN

    def __init__(self, context: base_plugin.TBContext) -> None:
        self.data = context.data_provider

    def get_plugin_apps(self) -> Mapping[str, Any]:
        """Where what is served."""
        files = {
            f"/{path.name}": serve_file(path)
            for folder in (OWN, STATIC)
            for path in sorted(folder.iterdir())
            if path.suffix in KINDS
        }
        return {
            **files,
            "/steps": answer(self.steps),
            "/step": answer(self.step),
            "/structures": answer(self.structures),
            "/reports": answer(self.reports),
            "/circuits": answer(lambda _: circuits()),
        }

    def is_active(self) -> bool:
        """Whether a referee's report is there: TensorBoard itself asks the data which plugins they name."""
        return bool(
            self.data.list_tensors(
                RequestContext(), experiment_id="", plugin_name="text", run_tag_filter=RunTagFilter(tags=[REPORT])
            )
        )

    def data_plugin_names(self) -> tuple[str, ...]:
        """The data that wake the tab."""
        return (PLUGIN,)

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """The tab's name, and the module that fills it."""
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="Backprop")

    def steps(self, request: Request) -> Any:
        """{variant: [step, ...]}: all that is recorded."""
        found = self._read(request, RunTagFilter(tags=[STRUCTURE]))
        return {variant_of(run): [datum.step for datum in tags[STRUCTURE]] for run, tags in found.items()}

    def step(self, request: Request) -> Any:
        """One step of ?variant= and ?step=: the structure, and both engines' tensors by their tags."""
        variant, step = request.args.get("variant", ""), int(request.args.get("step", ""))
        runs = {engine: run_of(variant, engine) for engine in ("numpy", "torch")}
        found = self._read(request, RunTagFilter(runs=list(runs.values())))
        arrays = {
            engine: {tag: d.numpy for tag, data in found.get(run, {}).items() for d in data if d.step == step}
            for engine, run in runs.items()
        }
        text = arrays["numpy"].pop(STRUCTURE)  # KeyError where there is no such step
        return packed(json.loads(text.item()), arrays)

    def structures(self, request: Request) -> Any:
        """The structure of each step of ?variant=, without the tensors."""
        run = run_of(request.args.get("variant", ""), "numpy")
        found = self._read(request, RunTagFilter(runs=[run], tags=[STRUCTURE]))
        return [json.loads(datum.numpy.item()) for datum in found[run][STRUCTURE]]

    def reports(self, request: Request) -> Any:
        """{run: [[step, text], ...]}: what the referee said of a training in torch alone."""
        found = self._read(request, RunTagFilter(tags=[REPORT]), "text")
        return {run: [[d.step, d.numpy.item().decode()] for d in tags[REPORT]] for run, tags in found.items()}

    def _read(self, request: Request, which: RunTagFilter, plugin: str = PLUGIN) -> Any:
        """{run: {tag: [datum, ...]}}."""
        experiment = plugin_util.experiment_id(request.environ)
        context = plugin_util.context(request.environ)
        return self.data.read_tensors(
            context, experiment_id=experiment, plugin_name=plugin, downsample=ALL, run_tag_filter=which
        )


def variant_of(run: str) -> str:
    """The run's folder: "digits/plain/numpy" belongs to "digits/plain", "numpy" alone to ""."""
    return run.rpartition("/")[0]


def run_of(variant: str, engine: str) -> str:
    """`variant_of` undone."""
    return f"{variant}/{engine}" if variant else engine


def serve_file(path: Path) -> Callable[..., Any]:
    """One of the tab's own files."""

    @Request.application
    def app(request: Request) -> Response:
        return http_util.Respond(request, path.read_bytes(), KINDS[path.suffix])  # type: ignore[no-any-return]

    return app


def answer(find: Callable[[Request], Any]) -> Callable[..., Any]:
    """What `find` returns, as JSON; 404 for a question about what is not there."""

    @Request.application
    def app(request: Request) -> Response:
        try:
            found, code = find(request), 200
        except (KeyError, ValueError) as error:
            found, code = {"error": f"nothing is recorded there ({type(error).__name__})"}, 404
        return http_util.Respond(request, json.dumps(found), "application/json", code=code)  # type: ignore[no-any-return]

    return app
