// Sizes of images by their shape. Pure.

const RATIOS = ["1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16"];

/**
 * The shapes a model offers, as [{name, width, height}]: those of its schema, else some with about
 * as many pixels as its default size.
 */
export function presetsOf(schema) {
  const own = schema["x-aspect-ratios"];
  if (own) return Object.entries(own).map(([name, [width, height]]) => ({ name, width, height }));
  const { width, height } = schema.properties;
  if (!width?.default || !height?.default) return [];
  return RATIOS.map((name) => ({ name, ...sized(name, width, height) }));
}

function sized(name, width, height) {
  const [across, down] = name.split(":").map(Number);
  const area = width.default * height.default;
  return {
    width: fitted(Math.sqrt((area * across) / down), width),
    height: fitted(Math.sqrt((area * down) / across), height),
  };
}

/** The nearest allowed length. */
export function fitted(length, { minimum = 1, maximum = Infinity, multipleOf = 1 }) {
  const whole = Math.round(length / multipleOf) * multipleOf;
  return Math.min(Math.max(whole, minimum), maximum);
}

/** The shape of a size in words: its preset's name, else what the fraction comes to. */
export function shapeOf(width, height, presets) {
  const preset = presets.find((each) => each.width === width && each.height === height);
  if (preset) return preset.name;
  return (width / height).toFixed(2).replace(/\.?0+$/, "") + ":1";
}
