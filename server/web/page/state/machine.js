// The server: its queue in numbers, its memory and disks, its plugins.

import { get, post } from "../lib/api.js";
import { signal } from "../lib/ui.js";
import { refresh as refreshModels } from "./models.js";

export const queue = signal(null);
export const system = signal(null);
export const info = signal(null);

export async function refreshQueue() {
  queue.value = await get("/api/queue");
}

export async function setPaused(paused) {
  queue.value = await post(paused ? "/api/queue/pause" : "/api/queue/resume");
}

export async function refreshMachine() {
  const told = await Promise.all([get("/api/system"), get("/api/info"), refreshModels()]);
  [system.value, info.value] = told;
}
