// Requests to the server. A refusal is thrown as a Problem, whatever its shape was.

/** Called with a Problem that says that a key is missing or no longer good. */
let onKeyNeeded = () => {};

export function whenKeyNeeded(listener) {
  onKeyNeeded = listener;
}

/** What the server refused, or that it could not be reached (`status` 0). */
class Problem extends Error {
  /** `errors`: what is wrong with which field, as [{loc, msg, type}]. */
  constructor({ status, code, detail, errors }) {
    super(detail);
    this.status = status;
    this.code = code;
    this.errors = errors ?? [];
  }
}

export const get = (path, query) => call("GET", path + queryOf(query));
export const post = (path, body) => call("POST", path, body);
export const remove = (path) => call("DELETE", path);

async function call(method, path, body) {
  const answer = await reached(path, requestOf(method, body));
  if (answer.status === 204) return null;
  const told = await answer.json().catch(() => null);
  if (answer.ok) return told;
  const problem = new Problem({
    status: answer.status,
    code: told?.code ?? "unknown",
    detail: told?.detail ?? `The server answered with status ${answer.status}.`,
    errors: told?.errors,
  });
  if (answer.status === 401) onKeyNeeded(problem);
  throw problem;
}

async function reached(path, request) {
  try {
    return await fetch(path, request);
  } catch {
    throw new Problem({
      status: 0,
      code: "unreachable",
      detail: "The server cannot be reached. Is it running?",
    });
  }
}

function requestOf(method, body) {
  if (body === undefined) return { method };
  return { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

function queryOf(query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
