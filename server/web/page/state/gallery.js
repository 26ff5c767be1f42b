// The gallery: a window onto a list of any length, which new images join at the top.

import { get, remove } from "../lib/api.js";
import { follow } from "../lib/stream.js";
import { batch, computed, signal } from "../lib/ui.js";
import { Pages } from "../pure/pages.js";
import { dropImages } from "./jobs.js";

const EVERYTHING = { q: "", model: "", lora: "" };

/** What is searched for; "" is everything. */
export const filters = signal(EVERYTHING);

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

export const filtered = computed(() => Object.values(filters.value).some(Boolean));

/**
 * What is shown: pages as they were numbered when it was read, with these filters, and `head`, which
 * has come since, newest first. A list that is read anew replaces it as a whole, so that no answer to
 * a question about the one before gets into the next.
 */
let list = listOf(EVERYTHING);
let asked = null; // the list that is being read
let stale = false; // something has come that a filtered list might hold
let atTop = true;

function listOf(wanted, pages = new Pages(), head = []) {
  return { filters: wanted, pages, head };
}

/** The image at this place of the list; undefined while it is not here. */
export function at(index) {
  const { head, pages } = list;
  return index < head.length ? head[index] : pages.at(index - head.length);
}

/** Where an image is in the list, as far as that is held; -1: not. */
export function indexOf(filename) {
  const { head, pages } = list;
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
  const { head, pages } = list;
  const [from, to] = [first, end].map((index) => Math.max(0, index - head.length));
  pages.missing(from, to).forEach((page) => fetchPage(list, page));
}

async function fetchPage(mine, page) {
  try {
    const query = mine.pages.queryOf(page, mine.head.length);
    const found = await get("/api/images", { ...query, ...mine.filters });
    if (mine !== list) return;
    batch(() => {
      mine.pages.put(page, found.images, found.next_cursor);
      failure.value = "";
      version.value += 1;
    });
    if (isShort(mine, page, found.images.length)) reload();
  } catch (problem) {
    if (mine !== list) return;
    mine.pages.failed(page);
    failure.value = problem.message;
  }
}

/** Whether images are gone that the list was numbered with: somebody else has deleted some. */
function isShort({ head, pages }, page, count) {
  const expected = total.peek() - head.length - page * pages.size;
  return count < Math.min(pages.size, expected);
}

/** Read the list anew, from the top. */
export async function reload() {
  const next = listOf(filters.peek());
  asked = next;
  try {
    const found = await get("/api/images", { limit: next.pages.size, ...next.filters });
    if (asked === next) show(next, found);
  } catch (problem) {
    if (asked === next) failure.value = problem.message;
  }
}

function show(next, found) {
  // What the stream told while the answer was on its way is newer than all in it.
  const newest = found.images[0]?.id ?? 0;
  next.head = filtered.peek() ? [] : list.head.filter((image) => image.id > newest);
  next.pages.put(0, found.images, found.next_cursor);
  list = next;
  stale = false;
  batch(() => {
    total.value = found.total + next.head.length;
    waiting.value = 0;
    failure.value = "";
    version.value += 1;
  });
}

/** Search for something else; without an argument, for everything. */
export function search(change = EVERYTHING) {
  filters.value = { ...filters.value, ...change };
  return reload();
}

export async function refreshFacets() {
  facets.value = await get("/api/images/facets");
}

/** Tell whether the top of the list is on the screen: only there it may grow. */
export function scrolled(top) {
  atTop = top;
  if (top && (waiting.peek() || stale)) reload();
}

/** Follow the gallery from now on. What ends it. */
export function begin() {
  return follow("/api/sse/gallery", {
    event: arrived,
    open() {
      // What came, or was deleted, before the stream was there.
      if (total.peek() !== null) reload();
    },
    lost() {},
  });
}

function arrived(image) {
  if (indexOf(image.filename) >= 0) return;
  if (filtered.peek()) {
    stale = true;
    if (atTop) reload();
  } else if (total.peek() !== null && !atTop) {
    waiting.value += 1;
  } else {
    join(image);
  }
}

function join(image) {
  list.head = [image, ...list.head];
  if (list.head.length > list.pages.size) reload();
  if (total.peek() === null) return;
  batch(() => {
    total.value += 1;
    version.value += 1;
  });
}

/** Delete images. The names of those that could not be. */
export async function erase(filenames) {
  const failed = [];
  for (const filename of filenames) {
    try {
      await remove(`/api/images/${encodeURIComponent(filename)}`);
    } catch (problem) {
      if (problem.status !== 404) failed.push(filename);
    }
  }
  dropImages(new Set(filenames.filter((filename) => !failed.includes(filename))));
  await reload();
  refreshFacets().catch(() => {}); // the counts beside the filters are not what was asked for
  return failed;
}
