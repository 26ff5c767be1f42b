// Signals whose values survive a reload, in the browser's own store.

import { effect, signal } from "./ui.js";

/** Longer texts are not kept: a page must not fill the browser's store (5 MB). */
const MOST = 200_000;

/**
 * A signal that begins with what was kept under this name, and keeps what it becomes.
 *
 * @param {(value: any) => any} [part] what of a value is worth keeping.
 */
export function kept(name, otherwise, part = (value) => value) {
  const key = `darkroom.${name}`;
  const before = read(key);
  const found = signal(isLike(before, otherwise) ? before : otherwise);
  effect(() => write(key, part(found.value)));
  return found;
}

/** Whether what was kept is of the right kind: older pages, or people, may have written it. */
function isLike(value, otherwise) {
  if (otherwise === null) return typeof value === "string";
  if (typeof value !== typeof otherwise || typeof otherwise !== "object") {
    return typeof value === typeof otherwise;
  }
  if (value === null || Array.isArray(value)) return false;
  return Object.entries(otherwise).every(([name, part]) => isPart(value[name], part));
}

const isPart = (value, part) => Array.isArray(value) === Array.isArray(part);

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null; // no store (private windows of some browsers), or not ours
  }
}

function write(key, value) {
  const text = JSON.stringify(value);
  if (text.length > MOST) return;
  try {
    localStorage.setItem(key, text);
  } catch {
    // Without a store everything works, until the page is loaded again.
  }
}
