import assert from "node:assert/strict";
import { test } from "node:test";

import { fieldsOf, titleOf } from "../../server/web/page/pure/schema.js";

const IMAGE = { type: "string", pattern: "^(data:image/(png|jpeg|webp);base64,.*)$" };

function only(property, required = false) {
  const schema = { properties: { thing: property }, required: required ? ["thing"] : [] };
  return fieldsOf(schema)[0];
}

test("each kind of parameter has its control", () => {
  const controls = {
    slider: { type: "integer", minimum: 1, maximum: 50 },
    number: { type: "integer", minimum: 0, maximum: 2 ** 40 },
    choice: { type: "string", enum: ["euler", "ddim"] },
    switch: { type: "boolean" },
    text: { type: "string", maxLength: 50 },
    lines: { type: "string", maxLength: 10_000 },
    image: IMAGE,
    images: { type: "array", items: IMAGE, maxItems: 3 },
    loras: { type: "array", items: { properties: { id: {}, weight: {} } } },
    json: { type: "object" },
  };
  for (const [control, property] of Object.entries(controls)) {
    assert.equal(only(property).control, control);
  }
});

test("what may be null has the control of what it may be else", () => {
  const field = only({ anyOf: [{ type: "number", minimum: 0, maximum: 1 }, { type: "null" }] });
  assert.deepEqual([field.control, field.nullable, field.maximum], ["slider", true, 1]);
});

test("nothing is asked for that has no choice", () => {
  const properties = {
    model: { const: "x" },
    sampler: { const: "euler" },
    total: { type: "integer", readOnly: true },
    loras: { type: "array", maxItems: 0 },
    num_images: { type: "integer", minimum: 1, maximum: 1 },
  };
  assert.deepEqual(fieldsOf({ properties }), []);
});

test("a slider's steps are those of the schema, else fit its range", () => {
  const step = (property) => only({ minimum: 0, ...property }).step;
  assert.equal(step({ type: "integer", maximum: 2048, multipleOf: 16 }), 16);
  assert.equal(step({ type: "integer", maximum: 50 }), 1);
  assert.equal(step({ type: "number", maximum: 20 }), 0.1);
  assert.equal(step({ type: "number", maximum: 1 }), 0.01);
});

test("defaults, limits and duty are told", () => {
  const field = only(
    { type: "string", maxLength: 90, default: "so", description: "With `it`." },
    true,
  );
  assert.deepEqual([field.fallback, field.limit, field.required], ["so", 90, true]);
  assert.equal(field.help, "With it.");
  assert.equal(only({ type: "boolean" }).fallback, null);
});

test("parameters that nobody knows are details, pictures are not", () => {
  assert.equal(only({ type: "boolean" }).group, "details");
  assert.equal(only(IMAGE).group, "start");
});

test("names are for people", () => {
  const names = ["cfg_scale", "negative_prompt", "num_images", "clip_skip", "init_image"];
  const titles = ["CFG scale", "Negative prompt", "Images", "CLIP skip", "Start image"];
  assert.deepEqual(names.map(titleOf), titles);
});
