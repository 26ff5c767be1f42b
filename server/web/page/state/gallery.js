// The gallery: a window onto a list of any length, which new images join at the top.

import { get, remove } from "../lib/api.js";
import { follow } from "../lib/stream.js";
import { batch, computed, signal } from "../lib/ui.js";
import { Pages, SIZE } from "../pure/pages.js";

/** What is searched for; "" is everything. */
export const filters = signal({ q: "", model: "", lora: "" });

/** What can be filtered by, as `/api/images/facets` tells it. */
export const facets = signal({ models: [], loras: [] });

/** How many images match; null until that is known. */
export const total = signal(null);

/** Grows with every change of the list: whoever reads it shows the list anew. */
export const version = signal(0);

/** How many images have come that the list does not show yet. */
export const waiting = signal(0);

/** Why the list could not be read; "" when it could. */
export const failure = signal("");

const filtered = computed(() => Object.values(filters.value).some(Boolean));
const pages = new Pages();
let head = []; // what has come since the pages were numbered, newest first
let asking = 0; // answers to what was asked before the filters changed are not for us
let atTop = true;

/** The image at this place of the list; undefined while it is not here. */
export function at(index) {
  return index < head.length ? head[index] : pages.at(index - head.length);
}

/** Where an image is in the list, as far as that is held; -1: not. */
export function indexOf(filename) {
  const inHead = head.findIndex((image) => image.filename === filename);
  if (inHead >= 0) return inHead;
  for (const [page, images] of pages.pages) {
    const place = images.findIndex((image) => image.filename === filename);
    if (place >= 0) return head.length + page * pages.size + place;
  }
  return -1;
}

/** See to it that the images between two places are here, soon. */
export function want(first, end) {
  const shift = head.length;
  pages.missing(Math.max(0, first - shift), Math.max(0, end - shift)).forEach(fetchPage);
}

async function fetchPage(page) {
  const round = asking;
  try {
    const found = await get("/api/images", {
      ...pages.queryOf(page, head.length),
      ...filters.value,
    });
    if (round !== asking) return;
    batch(() => {
      pages.put(page, found.images, found.next_cursor);
      total.value = found.total;
      failure.value = "";
      version.value += 1;
    });
  } catch (problem) {
    if (round !== asking) return;
    pages.failed(page);
    failure.value = problem.message;
  }
}

/** Read the list anew, from the top. */
export async function reload() {
  asking += 1;
  const round = asking;
  try {
    const found = await get("/api/images", { limit: SIZE, ...filters.value });
    if (round !== asking) return;
    batch(() => {
      pages.clear();
      head = [];
      pages.put(0, found.images, found.next_cursor);
      total.value = found.total;
      waiting.value = 0;
      failure.value = "";
      version.value += 1;
    });
  } catch (problem) {
    if (round === asking) failure.value = problem.message;
  }
}

export function search(change) {
  filters.value = { ...filters.value, ...change };
  return reload();
}

export async function refreshFacets() {
  facets.value = await get("/api/images/facets");
}

/** Tell whether the top of the list is on the screen: only there it may grow. */
export function scrolled(top) {
  atTop = top;
  if (top && waiting.value) reload();
}

/** Follow the gallery from now on. What ends it. */
export function begin() {
  let lost = false;
  return follow("/api/sse/gallery", {
    event: arrived,
    open() {
      if (lost) reload(); // also for what was deleted meanwhile
      lost = false;
    },
    lost() {
      lost = true;
    },
    resume: (url, lastId) => `${url}?last_event_id=${lastId}`,
  });
}

function arrived(image) {
  if (total.value === null || indexOf(image.filename) >= 0) return;
  if (!atTop) waiting.value += 1;
  else if (filtered.value || head.length >= SIZE) reload();
  else {
    head = [image, ...head];
    total.value += 1;
    version.value += 1;
  }
}

/** Delete images. The names of those that could not be. */
export async function erase(filenames) {
  const failed = [];
  for (const filename of filenames) {
    try {
      await remove(`/api/images/${filename}`);
    } catch (problem) {
      if (problem.status !== 404) failed.push(filename);
    }
  }
  await reload();
  refreshFacets().catch(() => {});
  return failed;
}
