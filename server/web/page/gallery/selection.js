// Several images at once: which are selected, and what is done with them.

import { html, signal } from "../lib/ui.js";
import { counted } from "../pure/format.js";
import { Button } from "../parts/button.js";
import { confirmed } from "../parts/dialog.js";
import { at, erase, indexOf } from "../state/gallery.js";
import { mayManage } from "../state/session.js";
import { tell } from "../state/toasts.js";

export const selecting = signal(false);

/** File names. */
export const selected = signal(new Set());

let anchor = null; // the file that was selected last, for Shift

export function setSelecting(on) {
  selecting.value = on;
  selected.value = new Set();
}

/** Select an image or not; with `range` all between the last one and it. */
export function toggle(filename, index, range) {
  selecting.value = true;
  const next = new Set(selected.value);
  const names = range ? between(indexOf(anchor), index) : null;
  if (names) names.forEach((name) => next.add(name));
  else if (!next.delete(filename)) next.add(filename);
  anchor = filename;
  selected.value = next;
}

/** The names from one place to another; null where not all of them are known here. */
function between(one, other) {
  if (one < 0) return null;
  const [low, high] = [Math.min(one, other), Math.max(one, other)];
  const names = [];
  for (let index = low; index <= high; index += 1) names.push(at(index)?.filename);
  if (names.every(Boolean)) return names;
  tell("That far apart only what was on the screen can be selected.", "error");
  return null;
}

/** Hand files to the browser, one after the other: it drops what comes all at once. */
export async function save(filenames) {
  for (const filename of filenames) {
    const link = document.createElement("a");
    link.href = `/api/images/${encodeURIComponent(filename)}`;
    link.download = filename;
    link.click();
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

/** Delete images, if whoever asked says so again. Whether it was done. */
export async function eraseConfirmed(filenames) {
  const what = counted(filenames.length, "picture");
  const sure = await confirmed({
    title: `Delete ${what}?`,
    text: "The files and their recipes are gone for good.",
    action: "Delete",
  });
  if (!sure) return false;
  const failed = await erase(filenames);
  if (failed.length) tell(`${counted(failed.length, "picture")} could not be deleted.`, "error");
  else tell(`${what} deleted.`);
  return true;
}

export function Selection() {
  if (!selecting.value) return null;
  const names = [...selected.value];
  const erase = async () => (await eraseConfirmed(names)) && setSelecting(false);
  return html`
    <div class="selection" role="toolbar" aria-label="Selected pictures">
      <p role="status">${counted(names.length, "picture")} selected</p>
      <${Button} icon="download" disabled=${!names.length} onClick=${() => save(names)}>Download<//>
      ${
        mayManage.value &&
        html`<${Button} kind="danger" icon="trash" disabled=${!names.length} onClick=${erase}>Delete<//>`
      }
      <${Button} kind="quiet" onClick=${() => setSelecting(false)}>Done<//>
    </div>
  `;
}
