// The LoRAs that the chosen model can use, and bringing new ones.

import { get, post } from "../lib/api.js";
import { effect, signal, untracked } from "../lib/ui.js";
import { isLive } from "../pure/phase.js";
import { edit, fields, forgetSchemas, read } from "./form.js";
import { entryOf, note, order } from "./jobs.js";
import { modelId } from "./models.js";
import { tell, trying } from "./toasts.js";

const SIZE = 60;

/** What the picker shows: {loras, total, cursor}; null while it is asked for. */
export const found = signal(null);

/** What is known of LoRAs by id, for the rows of the form. */
export const known = signal({});

/** Ids of the downloads that were begun here and have not ended. */
export const downloads = signal([]);

let asking = 0;

export async function search(q) {
  asking += 1;
  const round = asking;
  const page = await get("/api/loras", { model: modelId.value, q, limit: SIZE });
  if (round === asking) show(page.loras, page);
}

/** The next page of the search. */
export async function more(q) {
  const round = asking;
  const { loras, cursor } = found.value;
  const page = await get("/api/loras", { model: modelId.value, q, limit: SIZE, cursor });
  if (round === asking && cursor === found.value.cursor) show([...loras, ...page.loras], page);
}

function show(loras, { total, next_cursor: cursor }) {
  learn(loras);
  found.value = { loras, total, cursor };
}

function learn(loras) {
  known.value = { ...known.value, ...Object.fromEntries(loras.map((lora) => [lora.id, lora])) };
}

/** See to it that `known` has this LoRA, under the name that a recipe calls it by too. */
export async function lookUp(id) {
  if (known.value[id]) return;
  const record = await get(`/api/loras/${encodeURIComponent(id)}`);
  known.value = { ...known.value, [record.id]: record, [id]: record };
}

/** What the form has of them. */
export function chosen() {
  const field = fields.value.find(({ control }) => control === "loras");
  return field ? read(field) : [];
}

export function add(lora) {
  learn([lora]);
  if (chosen().some(({ id }) => id === lora.id)) return;
  const { id, weight, trigger_weight } = lora;
  edit("loras", [...chosen(), { id, weight, trigger_weight }]);
}

export function change(id, values) {
  edit(
    "loras",
    chosen().map((each) => (each.id === id ? { ...each, ...values } : each)),
  );
}

export function drop(id) {
  edit(
    "loras",
    chosen().filter((each) => each.id !== id),
  );
}

/** Bring a LoRA to the server; when it is here it joins the form. */
export async function download(ref) {
  const { job_id: id } = await post("/api/loras", { ref });
  downloads.value = [...downloads.value, id];
  note(id);
}

/** Downloads whose end was seen to. */
const settled = new Set();

effect(() => {
  for (const id of downloads.value) {
    const entry = order.value.includes(id) && entryOf(id);
    if (!entry || isLive(entry.value.snapshot) || settled.has(id)) continue;
    settled.add(id);
    const { status, lora } = entry.value.snapshot;
    if (status === "completed") untracked(() => trying(() => arrived(id, lora)));
  }
});

async function arrived(id, lora) {
  dismiss(id);
  const record = await get(`/api/loras/${encodeURIComponent(lora)}`);
  await forgetSchemas();
  if (record.unsupported) {
    tell(record.unsupported, "error");
    return;
  }
  add(record);
  tell(`${record.name} is here.`);
  await search("");
}

export function dismiss(id) {
  downloads.value = downloads.value.filter((each) => each !== id);
}
