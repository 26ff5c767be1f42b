// A recipe as rows to read. Pure.

import { titleOf } from "./schema.js";

/** What has a place of its own, or is nobody's business. */
const ELSEWHERE = new Set([
  "id",
  "filename",
  "url",
  "thumb_url",
  "width",
  "height",
  "created_at",
  "job_id",
  "index",
  "model",
  "seconds",
  "size",
  "prompt",
  "num_images",
  "encoded_prompt",
]);

/** [name, text] of every parameter of an image that says something. */
export function rowsOf(image) {
  const withoutStart = !image.init_image;
  return Object.entries(image)
    .filter(([name, value]) => !ELSEWHERE.has(name) && says(value))
    .filter(([name]) => !(withoutStart && name === "strength"))
    .map(([name, value]) => [titleOf(name), textOf(value)]);
}

function says(value) {
  return value !== null && value !== "" && !(Array.isArray(value) && value.length === 0);
}

function textOf(value) {
  if (Array.isArray(value)) return value.map(textOf).join("; ");
  if (typeof value === "object") return loraText(value);
  if (typeof value === "string" && value.startsWith("input:")) return "a picture that was given";
  return String(value);
}

/** A LoRA, with what became of it: one that did nothing should be seen here. */
function loraText({ id, name, weight, matched, total }) {
  if (!id) return "…";
  const acted = total ? `, ${matched} of ${total} modules` : "";
  return `${name ?? id} × ${weight}${acted}`;
}
