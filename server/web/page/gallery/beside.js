// What is known of an image that is looked at, and which images are beside it.

import { get } from "../lib/api.js";
import { at, indexOf, total, want } from "../state/gallery.js";
import { entryOf } from "../state/jobs.js";
import { view } from "../state/route.js";

const jobOf = (filename) => filename.replace(/_\d+\.png$/, "");

/** An image's record: from the list behind it, else from its job. Null where neither has it. */
export async function recordOf(filename) {
  const index = indexOf(filename);
  if (index >= 0) return at(index);
  const id = jobOf(filename);
  const snapshot = entryOf(id)?.peek().snapshot ?? (await get(`/api/jobs/${id}`));
  return snapshot.images.find((image) => image.filename === filename) ?? null;
}

let seen = { filename: null, index: -1 }; // where the image was when the list last had it

/** Where an image is in the list, or was before that was read anew; -1: nobody knows. */
function placeOf(filename) {
  const index = indexOf(filename);
  if (index >= 0) seen = { filename, index };
  return seen.filename === filename ? seen.index : -1;
}

/** The name of the image before or after one: in the gallery that of the list, else of its job. Null
 * where there is none, and while it is not here. */
export function beside(filename, step) {
  if (view.value === "gallery") {
    const place = placeOf(filename);
    return place < 0 ? null : (at(place + step)?.filename ?? null);
  }
  const images = entryOf(jobOf(filename))?.value.snapshot.images ?? [];
  const place = images.findIndex((image) => image.filename === filename);
  return images[place + step]?.filename ?? null;
}

/** Whether there is one, here or on its way. */
export function isBeside(filename, step) {
  if (view.value !== "gallery") return beside(filename, step) !== null;
  const place = placeOf(filename);
  return place >= 0 && place + step >= 0 && place + step < (total.value ?? 0);
}

/**
 * See to it that the list has an image and what is beside it, soon: a list that is read anew begins
 * with its first page alone.
 */
export function wantBeside(filename) {
  const place = placeOf(filename);
  if (place >= 0) want(Math.max(0, place - 1), Math.min(place + 2, total.peek() ?? 0));
}
