// Which view is shown: the part of the address behind the #, so that every view has a link.

import { computed, signal } from "../lib/ui.js";

export const VIEWS = ["make", "gallery", "queue", "server"];

const hash = signal(location.hash);
addEventListener("hashchange", () => {
  hash.value = location.hash;
});

const parts = computed(() => hash.value.replace(/^#\/?/, "").split("/"));

export const view = computed(() => (VIEWS.includes(parts.value[0]) ? parts.value[0] : "make"));

/** The file name of the image that is looked at, over whatever view; null: none. */
export const looking = computed(() => {
  const name = parts.value[1];
  return name ? decodeURIComponent(name) : null;
});

export const linkTo = (name) => `#/${name}`;
export const linkToImage = (filename, over = view.value) => `#/${over}/${filename}`;

export function go(name) {
  location.hash = linkTo(name);
}

/** Look at an image; going back in the browser closes it, however many were looked at. */
export function look(filename) {
  const target = linkToImage(filename);
  if (looking.value === null) location.hash = target;
  else replace(target);
}

export function close() {
  replace(linkTo(view.value));
}

function replace(target) {
  history.replaceState(null, "", target);
  hash.value = target;
}
