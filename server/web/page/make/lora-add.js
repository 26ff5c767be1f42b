// Bringing a LoRA from elsewhere, with progress.

import { html, useSignal } from "../lib/ui.js";
import { isLive, phaseOf, shareOf } from "../pure/phase.js";
import { Button, IconButton } from "../parts/button.js";
import { Progress } from "../parts/progress.js";
import { cancel, entryOf, order } from "../state/jobs.js";
import { dismiss, download, downloads } from "../state/loras.js";
import { trying } from "../state/toasts.js";

export function AddLora() {
  const ref = useSignal("");
  const error = useSignal("");
  async function bring(event) {
    event.preventDefault();
    error.value = "";
    try {
      await download(ref.value.trim());
      ref.value = "";
    } catch (problem) {
      error.value = problem.errors[0]?.msg ?? problem.message;
    }
  }
  return html`
    <form class="lora-add" onSubmit=${bring}>
      <label for="lora-ref">Bring one here</label>
      <div class="row">
        <input
          id="lora-ref"
          type="text"
          placeholder="civitai number or address, AIR, org/name, https://…"
          value=${ref.value}
          required
          aria-invalid=${error.value !== ""}
          aria-describedby="lora-ref-error"
          onInput=${(event) => (ref.value = event.target.value)}
        />
        <${Button} icon="download" type="submit" disabled=${!ref.value.trim()}>Download<//>
      </div>
      <p id="lora-ref-error" class="error" role="alert">${error.value}</p>
      ${downloads.value.map((id) => html`<${Download} id=${id} key=${id} />`)}
    </form>
  `;
}

/** A download that was begun here. */
export function Download({ id }) {
  const entry = order.value.includes(id) && entryOf(id);
  if (!entry) return null;
  const { snapshot } = entry.value;
  const live = isLive(snapshot);
  const label = live ? phaseOf(snapshot) : (snapshot.error?.message ?? phaseOf(snapshot));
  return html`
    <div class="lora-download">
      <p class=${snapshot.error ? "error" : "muted"}>${label}</p>
      ${live && html`<${Progress} share=${shareOf(snapshot)} label="Download of a LoRA" />`}
      <${IconButton}
        icon="close"
        label=${live ? "Cancel the download" : "Dismiss"}
        onClick=${() => (live ? trying(() => cancel(id)) : dismiss(id))}
      />
    </div>
  `;
}
