// A model's JSON Schema as the fields of a form. Pure: no DOM, no network.

/** Parameters that belong together, in the order of the form; what is unknown goes to `details`. */
const GROUPS = {
  prompt: "prompt",
  negative_prompt: "prompt",
  init_image: "start",
  mask_image: "start",
  reference_images: "start",
  strength: "start",
  loras: "loras",
  width: "size",
  height: "size",
  num_images: "size",
  scale: "size",
  seed: "size",
};

/** Texts that may be longer than this get several lines. */
const ONE_LINE = 200;

/** Sliders with more positions than this cannot be aimed with. */
const MOST_POSITIONS = 2000;

/**
 * The fields of a form for this schema.
 *
 * @returns {{name, group, control, title, help, fallback, required, minimum, maximum, step,
 *   options, limit}[]} `control` is text, lines, slider, number, choice, switch, seed, image,
 *   images, loras or json; `fallback` the value where nothing is given.
 */
export function fieldsOf(schema) {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties)
    .filter(([name, property]) => name !== "model" && isInput(property))
    .map(([name, property]) => fieldOf(name, property, required.has(name)));
}

/** Whether there is anything to choose. */
function isInput(property) {
  if (property.readOnly || property.const !== undefined || property.maxItems === 0) return false;
  return property.minimum === undefined || property.minimum !== property.maximum;
}

function fieldOf(name, property, required) {
  const type = solid(property);
  const control = controlOf(name, type);
  const step = stepOf(type);
  return {
    name,
    control,
    group: GROUPS[name] ?? (control === "image" || control === "images" ? "start" : "details"),
    title: titleOf(name),
    help: (property.description ?? "").replaceAll("`", ""),
    fallback: property.default ?? null,
    nullable: type !== property,
    required,
    minimum: type.minimum,
    maximum: type.maximum,
    step,
    options: type.enum ?? [],
    limit: type.maxItems ?? type.maxLength ?? null,
    items: type.items ?? null,
  };
}

/** Of a type that may also be null: the type. */
function solid(property) {
  const types = (property.anyOf ?? []).filter((each) => each.type !== "null");
  return types.length === 1 ? types[0] : property;
}

function controlOf(name, type) {
  if (type.enum) return "choice";
  if (name === "seed") return "seed";
  switch (type.type) {
    case "boolean":
      return "switch";
    case "integer":
    case "number":
      return isSlidable(type) ? "slider" : "number";
    case "string":
      if (isImage(type)) return "image";
      return (type.maxLength ?? 0) > ONE_LINE ? "lines" : "text";
    case "array":
      return listControlOf(type.items ?? {});
    default:
      return "json";
  }
}

function listControlOf(items) {
  if (isImage(items)) return "images";
  return items.properties?.id && items.properties?.weight ? "loras" : "json";
}

function isImage(type) {
  return type.type === "string" && (type.pattern ?? "").includes("data:image/");
}

function isSlidable(type) {
  if (type.minimum === undefined || type.maximum === undefined) return false;
  return (type.maximum - type.minimum) / stepOf(type) <= MOST_POSITIONS;
}

/** How finely a number is chosen: as the schema says, else in a twentieth or so of its range. */
function stepOf(type) {
  if (type.multipleOf) return type.multipleOf;
  if (type.type === "integer") return 1;
  const range = (type.maximum ?? 1) - (type.minimum ?? 0);
  return range > 5 ? 0.1 : 0.01;
}

const ABBREVIATIONS = { cfg: "CFG", lora: "LoRA", loras: "LoRAs", clip: "CLIP", num: "Number of" };
const TITLES = { init_image: "Start image", mask_image: "Mask", num_images: "Images" };

/** A name of a parameter, for people. */
export function titleOf(name) {
  if (TITLES[name]) return TITLES[name];
  const words = name.split("_").map((word) => ABBREVIATIONS[word] ?? word);
  return words.join(" ").replace(/^./, (letter) => letter.toUpperCase());
}
