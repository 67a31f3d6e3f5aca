// Sets the colours before the first paint, so that a page in dark colours never flashes white.
// A classic script: modules run after the page was parsed. `style/tokens.css` says what each choice means.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("waterhole.theme");
  } catch {
    // Storage is turned off in this browser: the system's choice applies.
  }
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
})();
