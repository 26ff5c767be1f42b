import assert from "node:assert/strict";
import { test } from "node:test";

import { layoutOf, neighbour, windowOf } from "../../server/web/page/pure/grid.js";
import { Pages } from "../../server/web/page/pure/pages.js";

const items = (page) => [0, 1, 2].map((place) => page * 3 + place);

test("a page is asked for once, and again when it could not be had", () => {
  const pages = new Pages(3, 9);
  assert.deepEqual(pages.missing(2, 7), [0, 1, 2]);
  assert.deepEqual(pages.missing(2, 7), []);
  pages.put(0, items(0), "c1");
  pages.failed(1);
  assert.deepEqual(pages.missing(0, 7), [1]);
  assert.deepEqual([pages.at(2), pages.at(3)], [2, undefined]);
});

test("a page is reached by the cursor of the one before it, after a jump by its offset", () => {
  const pages = new Pages(3, 9);
  pages.put(0, items(0), "c1");
  assert.deepEqual(pages.queryOf(0), { limit: 3 });
  assert.deepEqual(pages.queryOf(1), { limit: 3, cursor: "c1" });
  assert.deepEqual(pages.queryOf(40, 2), { limit: 3, offset: 122 });
  pages.put(40, items(40), "c41");
  assert.deepEqual(pages.queryOf(41, 2), { limit: 3, cursor: "c41" });
});

test("only so many pages are held, those in use among them", () => {
  const pages = new Pages(3, 2);
  pages.put(0, items(0), "c1");
  pages.put(1, items(1), "c2");
  pages.missing(0, 3); // the first is on the screen
  pages.put(2, items(2), "c3");
  assert.deepEqual([pages.at(0), pages.at(3), pages.at(6)], [0, undefined, 6]);
  assert.deepEqual(pages.missing(3, 6), [1]);
  assert.deepEqual(pages.queryOf(1), { limit: 3, cursor: "c1" });
});

test("as many columns as fit, two at least", () => {
  assert.deepEqual(layoutOf(1000, 176, 8), { columns: 5, tile: 193, row: 201 });
  assert.equal(layoutOf(100, 176, 8).columns, 2);
});

test("what is shown is what is on the screen, and some rows around it", () => {
  const layout = { columns: 5, row: 100 };
  const middle = windowOf(layout, 10_000, 50_000, 900);
  assert.deepEqual(middle, { first: 2485, end: 2560, above: 49_700, height: 200_000 });
  assert.deepEqual(windowOf(layout, 12, 0, 900), { first: 0, end: 12, above: 0, height: 300 });
  assert.deepEqual(windowOf(layout, 0, 0, 900), { first: 0, end: 0, above: 0, height: 0 });
  const below = windowOf(layout, 12, 99_999, 900);
  assert.equal(below.end, 12);
  assert.ok(below.first <= below.end);
});

test("arrows lead to neighbours and not beyond the ends", () => {
  const to = (key, index) => neighbour(key, index, 5, 12);
  assert.deepEqual([to("ArrowRight", 0), to("ArrowDown", 0), to("ArrowUp", 7)], [1, 5, 2]);
  assert.deepEqual([to("ArrowLeft", 0), to("ArrowUp", 2), to("ArrowDown", 9)], [0, 2, 9]);
  assert.deepEqual([to("Home", 9), to("End", 0)], [0, 11]);
});
