// The pages of a long list, of which only a few are held at a time. Pure: the caller fetches.

/** Images to a page, and pages that are held. */
export const SIZE = 100;
export const HELD = 12;

/**
 * Pages by number, the least used forgotten first; and the cursors that lead to pages. A page
 * whose cursor is not known yet (somebody has jumped) is asked for by its offset.
 */
export class Pages {
  constructor(size = SIZE, held = HELD) {
    this.size = size;
    this.held = held;
    this.clear();
  }

  clear() {
    this.pages = new Map();
    this.cursors = new Map();
    this.asked = new Set();
  }

  /** The item at this index; undefined while its page is not here. */
  at(index) {
    return this.pages.get(Math.floor(index / this.size))?.[index % this.size];
  }

  /** The pages between two indices that must be fetched; they are marked as asked for. */
  missing(first, end) {
    const found = [];
    for (let page = Math.floor(first / this.size); page * this.size < end; page += 1) {
      this.touch(page);
      if (!this.pages.has(page) && !this.asked.has(page)) found.push(page);
    }
    found.forEach((page) => this.asked.add(page));
    return found;
  }

  /** How to ask for a page: by the cursor of the one before, or by offset. */
  queryOf(page, shift = 0) {
    const cursor = this.cursors.get(page);
    if (cursor !== undefined) return { limit: this.size, cursor };
    const offset = page * this.size + shift;
    return offset ? { limit: this.size, offset } : { limit: this.size };
  }

  /** Keep a page that came. */
  put(page, items, nextCursor) {
    this.asked.delete(page);
    this.pages.set(page, items);
    if (nextCursor) this.cursors.set(page + 1, nextCursor);
    while (this.pages.size > this.held) this.pages.delete(this.pages.keys().next().value);
  }

  /** A page could not be fetched: it may be asked for again. */
  failed(page) {
    this.asked.delete(page);
  }

  /** The page is in use: others are forgotten before it. */
  touch(page) {
    const items = this.pages.get(page);
    if (items === undefined) return;
    this.pages.delete(page);
    this.pages.set(page, items);
  }
}
