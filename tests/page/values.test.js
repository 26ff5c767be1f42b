import assert from "node:assert/strict";
import { test } from "node:test";

import { bodyOf, editsOf, errorsByField, valueOf } from "../../server/web/page/pure/values.js";

const field = (name, control, more = {}) => ({
  name,
  control,
  fallback: null,
  required: false,
  nullable: false,
  options: [],
  ...more,
});

const PROMPT = field("prompt", "lines", { required: true });
const STEPS = field("steps", "slider", { fallback: 20, minimum: 1, maximum: 50 });
const SAMPLER = field("sampler", "choice", { fallback: "euler", options: ["euler", "ddim"] });
const SEED = field("seed", "seed");
const COUNT = field("num_images", "slider", { fallback: 1, minimum: 1, maximum: 10 });
const START = field("init_image", "image");
const STRENGTH = field("strength", "slider", { fallback: 0.6, minimum: 0.01, maximum: 1 });
const LORAS = field("loras", "loras", { fallback: [] });
const ALL = [PROMPT, STEPS, SAMPLER, SEED, COUNT, START, STRENGTH, LORAS];

test("a choice made for one model is kept for another only where it fits", () => {
  assert.equal(valueOf(STEPS, { steps: 30 }), 30);
  assert.equal(valueOf(STEPS, { steps: 80 }), 20);
  assert.equal(valueOf(SAMPLER, { sampler: "ddim" }), "ddim");
  assert.equal(valueOf(SAMPLER, { sampler: "heun" }), "euler");
  assert.equal(valueOf(STEPS, { steps: null }), 20);
  assert.equal(valueOf({ ...STEPS, nullable: true }, { steps: null }), null);
});

test("a request says what differs from the defaults, and what it must", () => {
  assert.deepEqual(bodyOf("m", ALL, { prompt: "a", steps: 20, sampler: "ddim" }), {
    model: "m",
    prompt: "a",
    sampler: "ddim",
  });
  assert.deepEqual(bodyOf("m", [PROMPT], {}), { model: "m", prompt: null });
});

test("what a start image needs is left out without one", () => {
  const edits = { prompt: "a", strength: 0.3 };
  assert.equal("strength" in bodyOf("m", ALL, edits), false);
  assert.equal(bodyOf("m", ALL, { ...edits, init_image: "x.png" }).strength, 0.3);
});

test("a recipe becomes what makes that very image again", () => {
  const image = {
    id: 5,
    url: "/api/images/x_1.png",
    prompt: "a",
    steps: 12,
    seed: 8,
    num_images: 4,
    index: 1,
    loras: [{ id: "l", weight: 0.5, trigger_weight: 1, matched: 9, total: 9 }],
  };
  const edits = editsOf(image, ALL);
  assert.deepEqual(edits, {
    prompt: "a",
    steps: 12,
    seed: 8,
    num_images: 1,
    loras: [{ id: "l", weight: 0.5, trigger_weight: 1 }],
  });
  assert.equal(bodyOf("m", ALL, edits).num_images, undefined);
});

test("errors find their fields, those of lists with their place", () => {
  const errors = [
    { loc: ["steps"], msg: "too many" },
    { loc: ["loras", 0, "weight"], msg: "too strong" },
    { loc: ["loras", 0, "id"], msg: "unknown" },
    { loc: ["other"], msg: "unknown word" },
    { loc: [], msg: "a mask needs an image" },
  ];
  assert.deepEqual(errorsByField(errors, ALL), {
    steps: ["too many"],
    loras: ["no. 1 weight: too strong", "no. 1 id: unknown"],
    "": ["other: unknown word", "a mask needs an image"],
  });
});
