// The models of the server, and what of a model the form needs.

import { get, post } from "../lib/api.js";
import { computed, effect, signal } from "../lib/ui.js";
import { kept } from "../lib/kept.js";

/** As `/api/models` tells them; empty until it has. */
export const models = signal([]);

/** The id that was chosen here; null: the server's current model. */
const chosen = kept("model", null);

/** The id of the model that the form is for. */
export const modelId = computed(() => {
  const known = models.value.some(({ id }) => id === chosen.value);
  return known ? chosen.value : (models.value.find(({ current }) => current)?.id ?? null);
});

export const model = computed(() => models.value.find(({ id }) => id === modelId.value) ?? null);

export const choose = (id) => {
  chosen.value = id;
};

export async function refresh() {
  const told = (await get("/api/models")).models;
  models.value = told.sort((one, other) => rankOf(one) - rankOf(other));
}

/** What can be used at once stands first. */
const RANKS = ["ready", "busy", "disk", "bad", "off"];
const rankOf = (each) => RANKS.indexOf(readiness(each).kind);

/** Milliseconds between two looks while a model is on its way. */
const PAUSE = 1500;

/** States that end by themselves. */
const ON_THE_WAY = new Set(["loading", "downloading"]);

effect(() => {
  if (!models.value.some(({ state }) => ON_THE_WAY.has(state))) return undefined;
  const timer = setTimeout(look, PAUSE);
  return () => clearTimeout(timer);
});

/** Look again, and go on looking where the server is away. */
function look() {
  refresh().catch(() => {
    models.value = [...models.value];
  });
}

let soon = 0;

/** Look again in a moment, however often that is asked for until then. */
export function refreshSoon() {
  soon ||= setTimeout(() => {
    soon = 0;
    refresh().catch(() => {}); // asked again with the next job, and when the server is back
  }, PAUSE);
}

/** Make a model the current one and load it. */
export async function load(id) {
  await post(`/api/models/${encodeURIComponent(id)}/load`);
  await refresh();
}

export async function unload(id) {
  await post(`/api/models/${encodeURIComponent(id)}/unload`);
  await refresh();
}

/** What a model's state means for whoever wants to use it: {label, kind}. */
export function readiness({ state }) {
  return STATES[state] ?? { label: state, kind: "off" };
}

const STATES = {
  loaded: { label: "Ready", kind: "ready" },
  in_ram: { label: "In RAM", kind: "ready" },
  loading: { label: "Loading", kind: "busy" },
  downloading: { label: "Downloading", kind: "busy" },
  on_disk: { label: "On disk", kind: "disk" },
  missing: { label: "To download", kind: "off" },
  failed: { label: "Failed", kind: "bad" },
};
