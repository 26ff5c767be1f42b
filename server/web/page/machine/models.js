// Every model: whether it is in memory, on the disk, or missing; load and unload.

import { computed, html } from "../lib/ui.js";
import { bytes } from "../pure/format.js";
import { State } from "../make/model-picker.js";
import { Button } from "../parts/button.js";
import { confirmed } from "../parts/dialog.js";
import { load, models, unload } from "../state/models.js";
import { mayManage } from "../state/session.js";
import { trying } from "../state/toasts.js";

/** In an order that does not change under the pointer. */
const byTitle = computed(() =>
  models.value.toSorted((one, other) => one.title.localeCompare(other.title)),
);

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
        ${byTitle.value.map((each) => html`<${Model} model=${each} key=${each.id} />`)}
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

function Action({ model }) {
  const { id, title, state } = model;
  if (IN_MEMORY.has(state) || ON_THE_WAY.has(state)) {
    const word = ON_THE_WAY.has(state) ? "Stop" : "Unload";
    const act = () => trying(() => unload(id));
    return html`<${Button} aria-label=${`${word} ${title}`} onClick=${act}>${word}<//>`;
  }
  const act = async () => {
    if (state === "on_disk" || (await sure(model))) trying(() => load(id));
  };
  return html`<${Button} aria-label=${`Load ${title}`} onClick=${act}>Load<//>`;
}

/** A download is not begun by a slip, nor is everybody given another model. */
function sure({ title, size_bytes: size }) {
  return confirmed({
    title: `Download ${title}?`,
    text: `${size ? `${bytes(size)} are downloaded. ` : ""}It becomes the current model at once: requests that name no model wait for it.`,
    action: "Download",
    icon: "download",
    kind: "primary",
  });
}
