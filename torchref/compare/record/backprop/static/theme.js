// TensorBoard's own dark mode: its page says so in a class of its body, in which this tab is a frame.

export function followTensorBoard(onchange) {
  let body = null;
  try {
    body = window.parent === window ? null : window.parent.document.body;
  } catch {
    return; // another site's frame: the system's colours stay
  }
  if (body === null) return;
  const follow = () => {
    document.documentElement.dataset.theme = body.classList.contains("dark-mode") ? "dark" : "light";
    onchange();
  };
  new MutationObserver(follow).observe(body, { attributes: true, attributeFilter: ["class"] });
  follow();
}
