"""The kernel that runs the manual's cells: pictures are drawn as SVG, sharp at every width."""

c = get_config()  # noqa: F821 - IPython puts it here
c.InlineBackend.figure_formats = {"svg"}
c.InlineBackend.print_figure_kwargs = {"bbox_inches": None, "metadata": {"Date": None}}
c.HistoryManager.enabled = False
c.IPKernelApp.log_level = "ERROR"
