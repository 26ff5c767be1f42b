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

/** Ids that are remembered in the browser's store. */
const REMEMBERED = 300;

/** Milliseconds for which news are gathered; until a new stream has told of all jobs; of a tick. */
const GATHER = 30;
const SETTLE = 1000;
const TICK = 1000;

/** Ids of jobs, newest first; of each a signal with `{snapshot, at, params}` is in `entries`. */
export const order = signal([]);
const entries = new Map();

/** Whether the server is there: null at first, then true or false. */
export const online = signal(null);

/** The time, once a second while a job lives, for countdowns; else every half a minute. */
export const now = signal(Date.now());

/** Called with every job that has just ended. */
const listeners = new Set();

/** Jobs that ended before this moment are not shown as cards, nor are those put away singly. */
const clearedAt = kept("clearedAt", "");
const away = kept("away", { ids: [] });

/** Jobs that were submitted here. */
const own = kept("own", { ids: [] });

export const entryOf = (id) => entries.get(id);
export const isOwn = (id) => own.value.ids.includes(id);

/** Grows when a job comes, goes, or changes its place: not with every step of one. */
export const changes = signal(0);

const inOrder = computed(() => {
  changes.value;
  return order.value.map((id) => entries.get(id).peek().snapshot);
});

const idsOf = (jobs) => jobs.map(({ job_id: id }) => id);

/** The ids of the jobs that live, in the order they run. */
export const live = computed(() => {
  const found = inOrder.value.filter(isLive).toReversed();
  return idsOf(found.sort((one, other) => placeOf(one) - placeOf(other)));
});

/** The ids of the jobs that have ended, newest first. */
export const ended = computed(() => idsOf(inOrder.value.filter((job) => !isLive(job))));

/** Those of them that were not put away. */
export const cards = computed(() => {
  const gone = new Set(away.value.ids);
  const isShown = ({ finished_at: end, job_id: id }) =>
    (end ?? "") > clearedAt.value && !gone.has(id);
  return idsOf(inOrder.value.filter((job) => !isLive(job) && isShown(job)));
});

const placeOf = (job) => (job.status === "queued" ? (job.queue_position ?? 0) : 0);

export function whenEnded(listener) {
  listeners.add(listener);
}

/** Follow the jobs from now on. What ends it. */
export function begin() {
  const ticking = setInterval(tick, TICK);
  const heard = new Set();
  const end = follow("/api/sse/jobs", {
    event: gathering(heard),
    open() {
      online.value = true;
      heard.clear();
      // Refused or unreachable: the stream breaks too, and its next opening asks again.
      catchUp(heard).catch(() => {});
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

function tick() {
  const time = Date.now();
  if (live.peek().length || time - now.peek() > 30 * TICK) now.value = time;
}

/** Takes news some at a time, of each job the newest: a long queue tells of every job at once. */
function gathering(heard) {
  let news = new Map();
  const flush = () => {
    const gathered = news;
    news = new Map();
    batch(() => gathered.forEach(take));
  };
  return (snapshot) => {
    heard.add(snapshot.job_id);
    if (!news.size) setTimeout(flush, GATHER);
    const before = news.get(snapshot.job_id);
    if (!before || isNewer(snapshot, before)) news.set(snapshot.job_id, snapshot);
  };
}

/** What the stream does not tell: jobs that had ended before, or while it was broken. */
async function catchUp(heard) {
  const before = live.peek();
  const { jobs } = await get("/api/jobs", { limit: ASKED });
  batch(() => jobs.toReversed().forEach(take));
  await new Promise((resolve) => setTimeout(resolve, SETTLE));
  const told = new Set([...heard, ...idsOf(jobs)]);
  await Promise.all(before.filter((id) => !told.has(id)).map(lookUp));
}

async function lookUp(id) {
  try {
    const told = await get(`/api/jobs/${encodeURIComponent(id)}`);
    take(told);
    return told.params;
  } catch (problem) {
    if (problem.status === 404) drop(id);
    throw problem;
  }
}

/** A snapshot has come. */
function take({ params, ...snapshot }) {
  const id = snapshot.job_id;
  const entry = entries.get(id);
  if (!entry) {
    insert(id, { snapshot, at: Date.now(), params: params ?? null });
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

function insert(id, state) {
  entries.set(id, signal(state));
  const ids = order.peek();
  const made = state.snapshot.created_at;
  const place = ids.findIndex((each) => entries.get(each).peek().snapshot.created_at <= made);
  order.value = ids.toSpliced(place < 0 ? ids.length : place, 0, id);
  trim();
}

function moved(one, other) {
  return one.status !== other.status || one.queue_position !== other.queue_position;
}

const asking = new Map(); // by id, the promise of its parameters

/** The parameters of a job, which the stream leaves out. */
export function detail(id) {
  const known = entries.get(id)?.peek().params;
  if (known) return Promise.resolve(known);
  if (!asking.has(id))
    asking.set(
      id,
      lookUp(id).finally(() => asking.delete(id)),
    );
  return asking.get(id);
}

/** A job was submitted here: show it at once. Its parameters, or null where it is gone again. */
export function note(id) {
  own.value = remembering(own.value, id);
  return detail(id).catch(() => null);
}

const remembering = ({ ids }, id) => ({ ids: [id, ...ids].slice(0, REMEMBERED) });

export async function cancel(id) {
  take(await post(`/api/jobs/${encodeURIComponent(id)}/cancel`));
}

/** Have the server forget a job that has ended; its images stay. */
export async function forget(id) {
  try {
    await remove(`/api/jobs/${encodeURIComponent(id)}`);
  } catch (problem) {
    if (problem.status !== 404) throw problem;
  }
  drop(id);
}

/** Put the card of one job away, or those of all that have ended. */
export function putAway(id) {
  away.value = remembering(away.value, id);
}

export function clear() {
  const times = inOrder.peek().map(({ finished_at: end }) => end ?? "");
  clearedAt.value = times.reduce((one, other) => (one > other ? one : other), clearedAt.value);
}

/** These images are deleted: no card shows them any more. */
export function dropImages(filenames) {
  batch(() => {
    entries.forEach((entry) => {
      const known = entry.peek();
      const images = known.snapshot.images.filter(({ filename }) => !filenames.has(filename));
      if (images.length === known.snapshot.images.length) return;
      entry.value = { ...known, snapshot: { ...known.snapshot, images } };
    });
  });
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
