// What the form holds: one set of choices for all models, shown as far as a model has the field.

import { get, post } from "../lib/api.js";
import { kept } from "../lib/kept.js";
import { batch, computed, effect, signal } from "../lib/ui.js";
import { fieldsOf } from "../pure/schema.js";
import { bodyOf, editsOf, errorsByField, gapsOf, valueOf } from "../pure/values.js";
import { note } from "./jobs.js";
import { choose, modelId } from "./models.js";
import { tell } from "./toasts.js";

/** What differs from the defaults, by field. Kept over reloads, files of the user's excepted. */
export const edits = kept("edits", {}, withoutFiles);

/** The schema of the chosen model; null until it has come. */
export const schema = signal(null);

/** The seed that the server drew last, for whoever wants to keep it. */
export const lastSeed = signal(null);

/** Messages by field; those under "" belong to none. */
export const errors = signal({});

export const fields = computed(() => (schema.value ? fieldsOf(schema.value.json) : []));

const schemas = new Map();

effect(() => {
  const id = modelId.value;
  if (id) loadSchema(id).catch((problem) => tell(problem.message, "error"));
});

async function loadSchema(id) {
  const json = await fetchSchema(id);
  if (modelId.peek() === id) show(id, json);
}

async function fetchSchema(id) {
  const path = `/api/models/${encodeURIComponent(id)}/schema`;
  const json = schemas.get(id) ?? (await get(path));
  schemas.set(id, json);
  return json;
}

function show(id, json) {
  batch(() => {
    if (schema.peek()?.id !== id) errors.value = {};
    schema.value = { id, json };
  });
}

/** The schemas name the LoRAs that there are, and the server may be another one: ask anew. */
export async function forgetSchemas() {
  schemas.clear();
  if (modelId.peek()) await loadSchema(modelId.peek());
}

export const read = (field) => valueOf(field, edits.value);

/** The words of the prompt; "" for a model that has none. */
export const prompt = computed(() => {
  const field = fields.value.find(({ name }) => name === "prompt");
  return (field && read(field)) ?? "";
});

export function edit(name, value) {
  batch(() => {
    edits.value = { ...edits.value, [name]: value };
    if (errors.value[name]) errors.value = without(errors.value, name);
  });
}

/** Back to the model's default. */
export function reset(name) {
  edits.value = without(edits.value, name);
}

/** All back to the defaults, but for the words of the prompt. */
export function resetAll() {
  const { prompt } = edits.value;
  batch(() => {
    edits.value = prompt ? { prompt } : {};
    errors.value = {};
  });
}

/** Fill the form with an image's recipe. Nothing changes where its model is gone. */
export async function adopt(image) {
  const json = await fetchSchema(image.model);
  batch(() => {
    choose(image.model);
    show(image.model, json);
    edits.value = editsOf(image, fields.value);
  });
}

/** Begin with an image of the gallery. */
export function beginWith(image) {
  edit("init_image", image.filename);
}

/** Ask for what the form says. The job's id; null if it was refused, and the fields say why. */
export async function submit() {
  const body = bodyOf(schema.value.id, fields.value, edits.value);
  errors.value = gapsOf(fields.value, body);
  if (Object.keys(errors.value).length) return null;
  try {
    const accepted = await post("/api/generate", body);
    note(accepted.job_id).then((params) => {
      if (params) lastSeed.value = params.seed;
    });
    return accepted.job_id;
  } catch (problem) {
    errors.value = problem.errors.length
      ? errorsByField(problem.errors, fields.value)
      : { "": [problem.message] };
    return null;
  }
}

function withoutFiles(values) {
  const isFile = (value) => typeof value === "string" && value.startsWith("data:");
  const holdsFile = (value) => (Array.isArray(value) ? value.some(isFile) : isFile(value));
  return Object.fromEntries(Object.entries(values).filter(([, value]) => !holdsFile(value)));
}

function without(values, name) {
  const { [name]: _, ...rest } = values;
  return rest;
}
