import assert from "node:assert/strict";
import { test } from "node:test";

import { fitted, presetsOf, shapeOf } from "../../server/web/page/pure/aspect.js";
import { disksOf } from "../../server/web/page/pure/disks.js";
import { ago, bytes, counted, duration, took } from "../../server/web/page/pure/format.js";
import { isNewer, leftOf, phaseOf, shareOf, titleOf } from "../../server/web/page/pure/phase.js";
import { rowsOf } from "../../server/web/page/pure/recipe.js";
import { has, insert } from "../../server/web/page/pure/words.js";

const SNAPSHOT = {
  status: "processing",
  phase: "generating",
  queue_position: null,
  image_index: 0,
  num_images: 1,
  step: 5,
  total_steps: 30,
  progress: 0.16,
  eta_seconds: 9,
  download: null,
};

const snapshot = (changes) => ({ ...SNAPSHOT, ...changes });

test("a job's phase is said in words", () => {
  const said = (changes) => phaseOf(snapshot(changes));
  assert.equal(said({}), "Step 5 of 30");
  assert.equal(said({ num_images: 4, image_index: 2 }), "Image 3 of 4, step 5 of 30");
  assert.equal(said({ phase: "loading" }), "Loading the model");
  assert.equal(said({ phase: "saving" }), "Saving");
  assert.equal(said({ status: "queued", phase: null, queue_position: 3 }), "Waiting at position 3");
  assert.equal(said({ status: "failed" }), "Failed");
  const download = { bytes: 5e8, total_bytes: 2e9, bytes_per_second: 1e7 };
  assert.equal(
    said({ status: "queued", phase: "downloading", download }),
    "Downloading 500 MB of 2.0 GB, 10.0 MB per second",
  );
});

test("a job is called by its prompt as soon as that is known", () => {
  const job = snapshot({ kind: "generate", images: [] });
  assert.equal(titleOf(job, { prompt: "a cat" }), "a cat");
  assert.equal(titleOf({ ...job, images: [{ prompt: "a dog" }] }, null), "a dog");
  assert.equal(titleOf(job, { prompt: "" }), "Without words");
  assert.equal(titleOf({ ...job, kind: "download" }, null), "Download of a LoRA");
});

test("how far a job is, where anybody can tell", () => {
  const share = (changes) => shareOf(snapshot(changes));
  assert.equal(share({}), 0.16);
  assert.equal(share({ phase: "loading" }), null);
  assert.equal(share({ status: "queued", phase: null }), 0);
  assert.equal(share({ phase: "downloading", download: { bytes: 1, total_bytes: 4 } }), 0.25);
  assert.equal(share({ phase: "downloading", download: { bytes: 1, total_bytes: null } }), null);
});

test("seconds count down between snapshots", () => {
  assert.equal(leftOf(SNAPSHOT, 4000), "5 s left");
  assert.equal(leftOf(SNAPSHOT, 60_000), "almost done");
  assert.equal(leftOf(snapshot({ eta_seconds: null }), 0), "");
  assert.equal(leftOf(snapshot({ status: "completed" }), 0), "");
});

test("a later attempt is newer, whatever its count", () => {
  assert.ok(isNewer({ attempt: 2, seq: 1 }, { attempt: 1, seq: 9 }));
  assert.ok(!isNewer({ attempt: 1, seq: 9 }, { attempt: 1, seq: 9 }));
});

test("numbers are for people", () => {
  assert.deepEqual([0, 999, 9.5e6, 27_490_000_000].map(bytes), [
    "0 B",
    "999 B",
    "9.5 MB",
    "27.5 GB",
  ]);
  assert.equal(bytes(999_999), "1.0 MB");
  assert.deepEqual([4, 125, 120, 4200].map(duration), ["4 s", "2 min 5 s", "2 min", "1 h 10 min"]);
  assert.equal(took(0.84), "0.8 s");
  assert.equal(counted(1, "picture"), "1 picture");
  assert.equal(counted(10_000, "picture"), "10,000 pictures");
  const now = Date.parse("2026-01-01T12:00:00Z");
  assert.equal(ago("2026-01-01T11:55:00Z", now), "5 minutes ago");
});

test("shapes keep about the pixels of the default size, on the model's grid", () => {
  const edge = { default: 128, minimum: 64, maximum: 2048, multipleOf: 16 };
  const wide = presetsOf({ properties: { width: edge, height: edge } }).find(
    ({ name }) => name === "16:9",
  );
  assert.deepEqual(wide, { name: "16:9", width: 176, height: 96 });
  const own = { "x-aspect-ratios": { "3:2": [1248, 832] }, properties: {} };
  assert.deepEqual(presetsOf(own), [{ name: "3:2", width: 1248, height: 832 }]);
  assert.deepEqual(presetsOf({ properties: {} }), []);
  assert.equal(fitted(10, edge), 64);
  assert.equal(shapeOf(1248, 832, presetsOf(own)), "3:2");
  assert.equal(shapeOf(100, 50, []), "2:1");
});

test("a trigger word goes where the caret was", () => {
  assert.deepEqual(insert("", "neon"), { prompt: "neon", caret: 4 });
  assert.deepEqual(insert("a cat", "neon"), { prompt: "a cat, neon", caret: 11 });
  assert.equal(insert("a cat, a dog", "neon", 5).prompt, "a cat, neon, a dog");
  assert.ok(has("a (Neon:1.2) sign", "neon"));
  assert.ok(!has("neonatal", "neon"));
  assert.ok(has("in c++ style", "c++"));
});

test("a recipe shows what says something", () => {
  const lora = { id: "l", name: "ink", weight: 0.5, matched: 8, total: 9 };
  const image = {
    id: 1,
    prompt: "a",
    steps: 4,
    strength: 0.6,
    seed: 3,
    loras: [lora],
    mask_image: null,
  };
  assert.deepEqual(rowsOf(image), [
    ["Steps", "4"],
    ["Seed", "3"],
    ["LoRAs", "ink × 0.5, 8 of 9 modules"],
  ]);
});

test("folders on one disk are one disk", () => {
  const disk = (name, total_bytes) => ({ name, total_bytes, free_bytes: 1 });
  assert.deepEqual(
    disksOf([disk("images", 10), disk("models", 20), disk("loras", 10)]).map(({ name }) => name),
    ["Disk of images, loras", "Disk of models"],
  );
});
