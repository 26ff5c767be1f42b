// The jobs of the server: one stream tells of all that live, a list of those that have ended.

import { get, post, remove } from "../lib/api.js";
import { kept } from "../lib/kept.js";
import { follow } from "../lib/stream.js";
import { batch, computed, signal } from "../lib/ui.js";
import { isLive, isNewer } from "../pure/phase.js";
import { lookUp as lookUpSession } from "./session.js";

/** Ended jobs that are held, and asked for at the start. */
const HELD = 60;
const ASKED = 24;

/** Ids of jobs, newest first; of each a signal with `{snapshot, at, params}` is in `entries`. */
export const order = signal([]);
const entries = new Map();

/** Whether the server is there: null at first, then true or false. */
export const online = signal(null);

/** The time, once a second while a job lives, for countdowns. */
export const now = signal(Date.now());

/** Called with every job that has just ended. */
const listeners = new Set();

/** Jobs that ended before this moment are not shown as cards. */
const clearedAt = kept("clearedAt", "");

export const entryOf = (id) => entries.get(id);

/** Grows when a job comes, goes, or changes its place: not with every step of one. */
const changes = signal(0);

const inOrder = computed(() => {
  changes.value;
  return order.value.map((id) => entries.get(id).peek().snapshot);
});

/** The ids of the jobs that live, in the order they run. */
export const live = computed(() => {
  const found = inOrder.value.filter(isLive).toReversed();
  return found.sort((one, other) => placeOf(one) - placeOf(other)).map(({ job_id: id }) => id);
});

/** The ids of the jobs that have ended and were not put away, newest first. */
export const ended = computed(() =>
  inOrder.value
    .filter((job) => !isLive(job) && (job.finished_at ?? "") > clearedAt.value)
    .map(({ job_id: id }) => id),
);

const placeOf = (job) => (job.status === "queued" ? (job.queue_position ?? 0) : 0);

export function whenEnded(listener) {
  listeners.add(listener);
}

/** Follow the jobs from now on. What ends it. */
export function begin() {
  const ticking = setInterval(() => {
    if (live.value.length) now.value = Date.now();
  }, 1000);
  const end = follow("/api/sse/jobs", {
    event: take,
    open() {
      online.value = true;
      catchUp().catch(() => {});
    },
    lost() {
      online.value = false;
      // It may be the key that is no longer good: a stream does not tell why it was refused.
      lookUpSession().catch(() => {});
    },
  });
  return () => {
    clearInterval(ticking);
    end();
  };
}

/** What the stream did not tell: jobs that had ended before, or while it was broken. */
async function catchUp() {
  const before = live.peek();
  const { jobs } = await get("/api/jobs", { limit: ASKED });
  batch(() => jobs.toReversed().forEach(take));
  const told = new Set(jobs.map(({ job_id: id }) => id));
  await Promise.all(before.filter((id) => !told.has(id)).map(lookUp));
}

async function lookUp(id) {
  try {
    take(await get(`/api/jobs/${id}`));
  } catch (problem) {
    if (problem.status === 404) drop(id);
    else throw problem;
  }
}

/** A snapshot has come. */
function take({ params, ...snapshot }) {
  const id = snapshot.job_id;
  const entry = entries.get(id);
  if (!entry) {
    entries.set(id, signal({ snapshot, at: Date.now(), params: params ?? null }));
    order.value = [...order.value, id].sort((one, other) =>
      madeAt(other).localeCompare(madeAt(one)),
    );
    trim();
    return;
  }
  const known = entry.peek();
  if (params && !known.params) entry.value = { ...known, params };
  if (!isNewer(snapshot, known.snapshot)) return;
  batch(() => {
    entry.value = { snapshot, at: Date.now(), params: params ?? known.params };
    if (moved(snapshot, known.snapshot)) changes.value += 1;
  });
  if (!isLive(snapshot)) listeners.forEach((listener) => listener(snapshot));
}

const madeAt = (id) => entries.get(id).peek().snapshot.created_at;

function moved(one, other) {
  return one.status !== other.status || one.queue_position !== other.queue_position;
}

/** The parameters of a job, which the stream leaves out. */
export async function detail(id) {
  const known = entries.get(id)?.peek().params;
  if (known) return known;
  const told = await get(`/api/jobs/${id}`);
  take(told);
  return told.params;
}

/** A job was submitted here: show it at once. `told` is called with its parameters. */
export function note(id, told = () => {}) {
  detail(id).then(told, () => {});
}

export async function cancel(id) {
  take(await post(`/api/jobs/${id}/cancel`));
}

/** Forget a job that has ended; its images stay. */
export async function forget(id) {
  await remove(`/api/jobs/${id}`);
  drop(id);
}

/** Put the cards of all that has ended away. */
export function clear() {
  const times = order.value.map((id) => entries.get(id).peek().snapshot.finished_at ?? "");
  clearedAt.value = times.reduce((one, other) => (one > other ? one : other), clearedAt.value);
}

function drop(id) {
  order.value = order.value.filter((each) => each !== id);
  entries.delete(id);
}

/** Hold a bounded number of ended jobs. */
function trim() {
  const past = order.peek().filter((id) => !isLive(entries.get(id).peek().snapshot));
  past.slice(HELD).forEach(drop);
}
