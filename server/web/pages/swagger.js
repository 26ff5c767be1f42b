"use strict";

const place = document.getElementById("swagger-ui");

// What is here, for the fields in whose place a path has a name.
const HERE = {
  job_id: ["/api/jobs?limit=1", ({ jobs }) => jobs[0]?.job_id],
  filename: ["/api/images?limit=1", ({ images }) => images[0]?.filename],
  model: ["/api/info", ({ model }) => model],
  lora: ["/api/loras?limit=1", ({ loras }) => loras[0]?.id],
};

// Seconds that a stream of events is read for. It may have no end, and the page shows none before.
const GLIMPSE = 5;

const ui = SwaggerUIBundle({
  domNode: place,
  url: place.dataset.openapiUrl,
  deepLinking: true,
  displayRequestDuration: true,
  // The online validator would send the document to another host.
  validatorUrl: null,
  onComplete: () => fillIn(),
  plugins: [{ statePlugins: { auth: { wrapActions: { authorize: fillInAfter } } } }],
  requestInterceptor: (request) => {
    if (/\/sse\//.test(request.url)) request.userFetch = glimpse;
    return request;
  },
  responseInterceptor: (response) => {
    const job = response.status === 202 && response.body?.job_id;
    if (job) put({ job_id: job, filename: `${job}_0.png` });
    return response;
  },
});

/** Swagger's own `authorize`, after which the names are here that ask for a key. */
function fillInAfter(authorize) {
  return (given) => {
    for (const { value } of Object.values(given)) fillIn({ "x-key": value });
    return authorize(given);
  };
}

/** Put names of what is here into the fields, so that every operation can be tried at once. */
async function fillIn(headers = {}) {
  if (!paths().has("/api/jobs")) return; // another API's document
  const { scopes = [] } = await (await fetch("/api/session", { headers })).json();
  if (!scopes.includes("read")) return;
  const names = {};
  for (const [name, [url, pick]] of Object.entries(HERE)) {
    const answer = await fetch(url, { headers });
    if (answer.ok) names[name] = pick(await answer.json());
  }
  put(names);
}

// What was put into the fields last.
const shown = {};

/** Fill the fields of these names, wherever a path has one and nobody has typed. */
function put(values) {
  for (const [path, methods] of paths().entries()) {
    for (const [method, operation] of methods.entries()) {
      for (const parameter of operation.get("parameters") ?? []) {
        const name = parameter.get("name");
        if (parameter.get("in") !== "path" || !values[name]) continue;
        const at = [path, method];
        const now = ui.specSelectors.parameterWithMetaByIdentity(at, parameter).get("value");
        if ([undefined, parameter.get("example"), shown[name]].includes(now)) {
          ui.specActions.changeParamByIdentity(at, parameter, values[name], false);
        }
      }
    }
  }
  Object.assign(shown, values);
}

function paths() {
  return ui.specSelectors.specJson().get("paths") ?? new Map();
}

/** What `fetch` answers, of a stream what comes in the first seconds. */
async function glimpse(url, options) {
  const stop = new AbortController();
  const answer = await fetch(url, { ...options, signal: stop.signal });
  if (!answer.headers.get("content-type")?.startsWith("text/event-stream")) return answer;
  const clock = setTimeout(() => stop.abort(), GLIMPSE * 1000);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
  } catch {
    text += `: …read for ${GLIMPSE} seconds\n`;
  }
  clearTimeout(clock);
  return new Response(text, answer);
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const dress = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", dress);
dress();
