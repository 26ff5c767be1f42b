// Which model: a button that says it, and a dialog with all of them.

import { html, useEffect } from "../lib/ui.js";
import { bytes } from "../pure/format.js";
import { Dialog, openDialog } from "../parts/dialog.js";
import { Icon } from "../parts/icon.js";
import { choose, model, modelId, models, readiness, refresh } from "../state/models.js";
import { trying } from "../state/toasts.js";

export function ModelPicker() {
  const chosen = model.value;
  return html`
    <section class="group" aria-label="Model">
      <button type="button" class="model-button" aria-haspopup="dialog" onClick=${() => openDialog(Choice)}>
        <span class="model-label">Model</span>
        <span class="model-title">${chosen?.title ?? "…"}</span>
        ${chosen && html`<${State} model=${chosen} />`}
        <${Icon} name="down" size=${16} />
      </button>
      ${
        chosen?.state === "missing" &&
        chosen.size_bytes > 0 &&
        html`<p class="muted">Its first picture downloads ${bytes(chosen.size_bytes)}.</p>`
      }
      ${chosen?.state === "failed" && html`<p class="error">${chosen.error}</p>`}
    </section>
  `;
}

/** Whether a model can be used at once, in a word. */
export function State({ model: each }) {
  const { label, kind } = readiness(each);
  const size = each.disk_bytes || each.size_bytes;
  return html`
    <span class="state" data-kind=${kind}>${label}${size > 0 && kind !== "ready" && `, ${bytes(size)}`}</span>
  `;
}

function Choice({ onClose }) {
  useEffect(() => {
    trying(refresh);
  }, []);
  const take = (id) => {
    choose(id);
    onClose();
  };
  return html`
    <${Dialog} title="Choose a model" onClose=${onClose} wide>
      <ul class="models">
        ${models.value.map(
          (each) => html`
            <li key=${each.id}>
              <button type="button" aria-pressed=${each.id === modelId.value} onClick=${() => take(each.id)}>
                <span class="model-title">${each.title}</span>
                <${State} model=${each} />
                <span class="muted">
                  ${each.description} ${each.license && `Licence: ${each.license}.`}
                </span>
              </button>
            </li>
          `,
        )}
      </ul>
    <//>
  `;
}
