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

/** The name of the image before or after one: in the gallery that of the list, else of its job. */
export function beside(filename, step) {
  if (view.value === "gallery") {
    const index = indexOf(filename);
    return index < 0 ? null : (at(index + step)?.filename ?? null);
  }
  const images = entryOf(jobOf(filename))?.value.snapshot.images ?? [];
  const place = images.findIndex((image) => image.filename === filename);
  return images[place + step]?.filename ?? null;
}

/** See to it that the list has what is beside an image, soon. */
export function wantBeside(filename) {
  const index = indexOf(filename);
  if (index >= 0) want(Math.max(0, index - 1), Math.min(index + 2, total.peek() ?? 0));
}
