// Every model: whether it is in memory, on the disk, or missing; load and unload.

import { html } from "../lib/ui.js";
import { bytes } from "../pure/format.js";
import { State } from "../make/model-picker.js";
import { Button } from "../parts/button.js";
import { load, models, unload } from "../state/models.js";
import { mayManage } from "../state/session.js";
import { trying } from "../state/toasts.js";

const IN_MEMORY = new Set(["loaded", "in_ram"]);
const ON_THE_WAY = new Set(["loading", "downloading"]);

export function Models() {
  const resident = models.value.reduce((sum, each) => sum + each.resident_bytes, 0);
  return html`
    <section aria-labelledby="models-title">
      <h2 id="models-title">Models</h2>
      <p class="muted">
        ${resident ? `${bytes(resident)} of weights in memory.` : "No weights in memory."}${" "}
        A model that is loaded here becomes the current one: requests that name no model go to it.
      </p>
      <ul class="rows">
        ${models.value.map((each) => html`<${Model} model=${each} key=${each.id} />`)}
      </ul>
    </section>
  `;
}

function Model({ model }) {
  const { id, title, state, current, resident_bytes: resident, error } = model;
  return html`
    <li class="row-job" data-model=${id}>
      <div class="row-text">
        <p class="row-title">
          ${title} ${current && html`<span class="badge">current</span>`} <${State} model=${model} />
        </p>
        <p class="muted">${id} · ${model.family}${resident > 0 && ` · ${bytes(resident)} in memory`}</p>
        ${state === "failed" && html`<p class="error">${error}</p>`}
      </div>
      ${mayManage.value && html`<${Action} model=${model} />`}
    </li>
  `;
}

function Action({ model: { id, title, state } }) {
  const inUse = IN_MEMORY.has(state) || ON_THE_WAY.has(state);
  const word = wordOf(state);
  const act = () => trying(() => (inUse ? unload(id) : load(id)));
  return html`<${Button} aria-label=${`${word} ${title}`} onClick=${act}>${word}<//>`;
}

function wordOf(state) {
  if (IN_MEMORY.has(state)) return "Unload";
  if (ON_THE_WAY.has(state)) return "Stop";
  return state === "on_disk" ? "Load" : "Download";
}
