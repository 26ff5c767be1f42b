// An event stream that stays open: over restarts of the server, and not while nobody looks.

/** Milliseconds until the next try after a refusal; each failure doubles it, up to the most. */
const SOONEST = 1000;
const LATEST = 15000;

/** A hidden tab gives its connection back after this time: a browser has six for all its tabs. */
const PATIENCE = 60000;

/**
 * Follow a stream of unnamed events.
 *
 * EventSource reconnects by itself when the connection breaks, but never after an answer that is
 * an error; this goes on in both cases.
 *
 * @param {string} url where it is.
 * @param {object} told
 * @param {(data: any) => void} told.event called with the data of each event.
 * @param {() => void} told.open called at each connection: what happened before it was not told.
 * @param {() => void} told.lost called when the connection breaks.
 * @returns {() => void} ends it.
 */
export function follow(url, { event, open, lost }) {
  let source = null;
  let timer = null;
  let wait = SOONEST;

  function connect() {
    clearTimeout(timer);
    source = new EventSource(url);
    source.onopen = () => {
      wait = SOONEST;
      open();
    };
    source.onmessage = (message) => event(JSON.parse(message.data));
    source.onerror = () => {
      lost();
      if (source.readyState === EventSource.CLOSED) later();
    };
  }

  function later() {
    clearTimeout(timer);
    if (document.hidden) return; // `look` goes on
    timer = setTimeout(connect, wait);
    wait = Math.min(wait * 2, LATEST);
  }

  function look() {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => source.close(), PATIENCE);
    else if (source.readyState === EventSource.CLOSED) connect();
  }

  document.addEventListener("visibilitychange", look);
  connect();
  look();
  return () => {
    document.removeEventListener("visibilitychange", look);
    clearTimeout(timer);
    source.close();
  };
}
