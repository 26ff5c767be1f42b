import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { streams } from "./browser.js";

// Requests are answered when the test says so.
const asked = [];

globalThis.fetch = (url) =>
  new Promise((resolve) => {
    const answer = (body) => resolve({ ok: true, status: 200, json: async () => body });
    asked.push({ url, answer });
  });

const gallery = await import("../../server/web/page/state/gallery.js");

const image = (id) => ({ id, filename: `${id}.png` });
const page = (first, count, total, next) => ({
  images: Array.from({ length: count }, (_, place) => image(first - place)),
  total,
  next_cursor: next ?? null,
});
const settled = () => new Promise((resolve) => setTimeout(resolve));
const shown = (count) => Array.from({ length: count }, (_, place) => gallery.at(place)?.id);

async function answer(part, body) {
  const place = asked.findIndex(({ url }) => url === `/api/images?limit=100${part}`);
  assert.notEqual(place, -1, `nobody asked for ${part}: ${asked.map(({ url }) => url)}`);
  asked.splice(place, 1)[0].answer(body);
  await settled();
}

const arrive = (id) => streams.last.onmessage({ data: JSON.stringify(image(id)) });

gallery.begin();

beforeEach(async () => {
  asked.length = 0;
  gallery.scrolled(true);
  gallery.search();
  await answer("", page(500, 100, 300, "c1"));
  asked.length = 0;
});

test("what arrives joins at the top, each once", () => {
  arrive(501);
  arrive(501);
  assert.deepEqual(shown(2), [501, 500]);
  assert.equal(gallery.total.value, 301);
});

test("what arrives while the list is read anew is not lost", async () => {
  const reading = gallery.reload();
  arrive(501);
  await answer("", page(500, 100, 300, "c1"));
  await reading;
  assert.deepEqual(shown(2), [501, 500]);
  assert.equal(gallery.total.value, 301);
});

test("an answer to a question about the list before does not get into this one", async () => {
  gallery.want(100, 200);
  const reading = gallery.reload();
  await answer("", page(600, 100, 400, "c2"));
  await reading;
  await answer("&cursor=c1", page(400, 100, 300, "c9"));
  assert.equal(gallery.at(100), undefined);
  gallery.want(100, 200);
  await answer("&cursor=c2", page(500, 100, 400, "c3"));
  assert.equal(gallery.at(100).id, 500);
});

test("of two searches the later one counts, whichever is answered last", async () => {
  gallery.search({ q: "first" });
  gallery.search({ q: "second" });
  await answer("&q=second", page(20, 2, 2));
  await answer("&q=first", page(90, 5, 5));
  assert.deepEqual([gallery.total.value, gallery.at(0).id], [2, 20]);
});

test("further down nothing moves: new images wait until somebody is at the top", async () => {
  gallery.scrolled(false);
  arrive(501);
  arrive(502);
  assert.deepEqual([gallery.waiting.value, gallery.at(0).id], [2, 500]);
  gallery.scrolled(true);
  await answer("", page(502, 100, 302, "c1"));
  assert.deepEqual([gallery.waiting.value, gallery.at(0).id], [0, 502]);
});

test("a list of which others have deleted some is read anew", async () => {
  gallery.want(200, 300);
  await answer("&offset=200", page(300, 60, 260));
  await answer("", page(500, 100, 260, "c1"));
  assert.equal(gallery.total.value, 260);
});

test("after each connection the list is read anew, for what was not told", async () => {
  streams.last.onopen();
  await answer("", page(505, 100, 305, "c1"));
  assert.equal(gallery.at(0).id, 505);
});
