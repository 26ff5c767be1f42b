// Before anything is painted: the theme that was chosen, so that no page flashes in the other one.
// A classic script, as modules wait for the whole document.

"use strict";

try {
  const theme = JSON.parse(localStorage.getItem("darkroom.theme"));
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // No store: the system's theme it is.
}
