// Short messages that go away by themselves; screen readers say them.

import { signal } from "../lib/ui.js";

const SECONDS = 6;
const MOST = 4;

/** [{id, text, kind}], `kind` being `info` or `error`. */
export const toasts = signal([]);
let count = 0;

export function tell(text, kind = "info") {
  if (toasts.peek().some((toast) => toast.text === text)) return;
  count += 1;
  const id = count;
  toasts.value = [...toasts.value.slice(1 - MOST), { id, text, kind }];
  setTimeout(() => dismiss(id), SECONDS * 1000 * (kind === "error" ? 2 : 1));
}

export function dismiss(id) {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

/** Do something that the server may refuse; a refusal is told. Whether it was done. */
export async function trying(action) {
  try {
    await action();
    return true;
  } catch (problem) {
    tell(problem.message, "error");
    return false;
  }
}
