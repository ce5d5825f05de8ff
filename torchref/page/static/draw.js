// Draw anew, and leave the keyboard, and what is scrolled, where it was.

export function kept(root, content) {
  const focused = root.contains(document.activeElement) ? document.activeElement.dataset.keep : undefined;
  const strip = root.querySelector(".strip");
  const scrolled = [window.scrollX, window.scrollY, strip?.scrollLeft ?? 0];
  root.replaceChildren(...content());
  const again = focused && root.querySelector(`[data-keep="${CSS.escape(focused)}"]`);
  if (again) again.focus({ preventScroll: true });
  const after = root.querySelector(".strip");
  if (after) after.scrollLeft = scrolled[2];
  window.scrollTo(scrolled[0], scrolled[1]);
}
