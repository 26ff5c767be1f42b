// What the page's modules need of a browser: a document that is seen, and streams that tell what a
// test says.

globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };

/** The stream that was opened last, as `streams.last`. */
export const streams = { last: null };

globalThis.EventSource = class {
  constructor() {
    this.readyState = 1;
    streams.last = this;
  }

  close() {}
};
