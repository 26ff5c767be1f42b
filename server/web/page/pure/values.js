// What a form holds, as a request; and an image's recipe as what a form holds. Pure.

/** Where a start image is given, these mean something, and else nothing. */
export const NEED_START = new Set(["strength", "mask_image"]);

/** A field's value: what was chosen if it fits this model, else the default. */
export function valueOf(field, edits) {
  const chosen = edits[field.name];
  return chosen !== undefined && fits(field, chosen) ? chosen : field.fallback;
}

/** Whether a value that was chosen for one model can be meant for this one. */
function fits(field, value) {
  if (value === null) return field.nullable;
  switch (field.control) {
    case "choice":
      return field.options.includes(value);
    case "slider":
    case "number":
    case "seed":
      return inRange(field, value);
    case "switch":
      return typeof value === "boolean";
    case "images":
      return Array.isArray(value) && value.every((each) => typeof each === "string");
    case "loras":
      return Array.isArray(value) && value.every((each) => typeof each?.id === "string");
    case "json":
      return true;
    default:
      return typeof value === "string";
  }
}

function inRange({ minimum = -Infinity, maximum = Infinity }, value) {
  return typeof value === "number" && value >= minimum && value <= maximum;
}

/** The body of a request to a model: what differs from its defaults. */
export function bodyOf(model, fields, edits) {
  const body = { model };
  const start = fields.find(({ name }) => name === "init_image");
  const hasStart = start !== undefined && valueOf(start, edits) !== null;
  for (const field of fields) {
    const value = valueOf(field, edits);
    if (NEED_START.has(field.name) && !hasStart && !field.required) continue;
    if (field.required || !same(value, field.fallback)) body[field.name] = value;
  }
  return body;
}

/**
 * What to put into the form so that it makes this very image again.
 *
 * An image's own seed makes it alone; its place among the images of its job is in that seed.
 */
export function editsOf(image, fields) {
  const edits = {};
  for (const field of fields) {
    if (image[field.name] !== undefined) edits[field.name] = given(field, image[field.name]);
  }
  if (edits.num_images !== undefined) edits.num_images = 1;
  return edits;
}

function given(field, value) {
  if (field.control !== "loras") return value;
  return value.map(({ id, weight, trigger_weight }) => ({ id, weight, trigger_weight }));
}

export function same(one, other) {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

const GAPS = {
  lines: "Say what the picture should show.",
  text: "This is needed.",
  image: "Give a picture.",
};

/** What a request must say and does not, by field. */
export function gapsOf(fields, body) {
  const isEmpty = (value) => value === null || (typeof value === "string" && !value.trim());
  const gaps = fields.filter(({ name, required }) => required && isEmpty(body[name]));
  return Object.fromEntries(gaps.map(({ name, control }) => [name, [GAPS[control] ?? GAPS.text]]));
}

/** The errors of a refusal by the field they belong to; what belongs to none is under "". */
export function errorsByField(errors, fields) {
  const known = new Set(fields.map(({ name }) => name));
  const found = {};
  for (const { loc, msg } of errors) {
    const name = known.has(loc[0]) ? loc[0] : "";
    const place = name ? loc.slice(1) : loc;
    const text = place.length ? `${placeOf(place)}: ${msg}` : msg;
    found[name] = [...(found[name] ?? []), text];
  }
  return found;
}

/** A place within a list, counted as people count. */
function placeOf(path) {
  return path.map((part) => (typeof part === "number" ? `no. ${part + 1}` : part)).join(" ");
}
