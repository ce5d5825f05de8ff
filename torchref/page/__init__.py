'''What a page shows of tensors, networks and circuits, in JavaScript that knows no server: static/, one copy for all.

TensorBoard's tab "Backprop" serves the modules, the page of `torchref check` holds them inside. Any page can:

    from torchref.page import inline
    from torchref.page.circuits import circuits

    head = inline.head()                       # once, in front of every script
    body = '<div id="here"></div>' + inline.script(f"""
        import {{ circuitPlayer }} from "torchref/embed.js";
        circuitPlayer(document.getElementById("here"), {inline.as_json(circuits())});
    """)

static/embed.js has what a page draws: `circuitPlayer(element, circuits)`, with `described(title, says, result)` for a
graph of one's own; `networkView(element, {variant: [step, ...]})`, a step being what
`torchref.compare.record.backprop.browser.packed` makes; `twoArrays(element, said, first, second)`. A page that has a
server can as well serve static/ and import "./embed.js", with style.css linked. The colours follow the system, or
`data-theme="dark"` (or "light") of the page's root.
'''
