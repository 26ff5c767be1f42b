// Which view is shown: the part of the address behind the #, so that every view has a link.

import { computed, signal } from "../lib/ui.js";

/** What a file of an image is called: nothing else in an address is looked at. */
const IMAGE = /^[\w-]+\.png$/;

export const VIEWS = ["make", "gallery", "queue", "server"];

const hash = signal(location.hash);
addEventListener("hashchange", () => {
  hash.value = location.hash;
  if (looking.value === null) opened = false;
});

const parts = computed(() => hash.value.replace(/^#\/?/, "").split("/"));

export const view = computed(() => (VIEWS.includes(parts.value[0]) ? parts.value[0] : "make"));

/** The file name of the image that is looked at, over whatever view; null: none. */
export const looking = computed(() => {
  const name = parts.value[1] ?? "";
  return IMAGE.test(name) ? name : null;
});

export const linkTo = (name) => `#/${name}`;
export const linkToImage = (filename, over = view.value) => `#/${over}/${filename}`;

export function go(name) {
  location.hash = linkTo(name);
}

/** Whether a click asks the browser for a tab or window of its own. */
export const meansNewTab = (event) => event.ctrlKey || event.metaKey;

let opened = false; // whether going back leads to where the image was opened

/** Look at an image; going back in the browser closes it, however many were looked at. */
export function look(filename) {
  const target = linkToImage(filename);
  if (looking.value !== null) replace(target);
  else {
    opened = true;
    location.hash = target;
  }
}

export function close() {
  if (opened) history.back();
  else replace(linkTo(view.value));
}

/** From an image to a view, as if the image had never been opened. */
export function leaveFor(name) {
  replace(linkTo(name));
}

function replace(target) {
  history.replaceState(null, "", target);
  hash.value = target;
  if (looking.value === null) opened = false;
}
