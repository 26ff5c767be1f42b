// Whether the server knows who looks, and what they may do.

import { get, post, remove, whenKeyNeeded } from "../lib/api.js";
import { computed, signal } from "../lib/ui.js";

/** As `/api/session` tells it; null until it has. */
export const session = signal(null);

/** Whether a key must be given before anything else. */
export const locked = computed(() => {
  const { needs_key: needsKey, authenticated, scopes } = session.value ?? {};
  return Boolean(needsKey && (!authenticated || !scopes.includes("read")));
});

export const mayGenerate = computed(() => may("generate"));
export const mayManage = computed(() => may("admin"));

function may(scope) {
  return session.value?.scopes.includes(scope) ?? false;
}

/** Whether somebody was in, and is no longer, without having left. */
export const expelled = signal(false);

export async function lookUp() {
  const wasIn = session.peek()?.authenticated ?? false;
  session.value = await get("/api/session");
  if (wasIn && locked.peek()) expelled.value = true;
}

/** Give a key; the browser's cookie stands for it from now on. */
export async function enter(key) {
  await post("/api/session", { key });
  expelled.value = false;
  await lookUp();
}

export async function leave() {
  await remove("/api/session");
  await lookUp();
  expelled.value = false;
}

whenKeyNeeded(() => {
  // The key was revoked, or the cookie has run out. What asked is told of the refusal anyway.
  if (session.value && !locked.value) lookUp().catch(() => {});
});
