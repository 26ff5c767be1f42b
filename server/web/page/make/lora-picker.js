// A dialog to choose LoRAs from, and to bring new ones.

import { html, useEffect, useSignal } from "../lib/ui.js";
import { counted } from "../pure/format.js";
import { Button } from "../parts/button.js";
import { Dialog } from "../parts/dialog.js";
import { add, chosen, drop, found, more, search } from "../state/loras.js";
import { mayManage } from "../state/session.js";
import { trying } from "../state/toasts.js";
import { AddLora } from "./lora-add.js";

export function LoraPicker({ onClose }) {
  const words = useSignal("");
  useEffect(() => {
    trying(() => search(""));
  }, []);
  const look = (event) => {
    words.value = event.target.value;
    trying(() => search(words.value));
  };
  const shown = found.value;
  const footer =
    shown?.cursor &&
    html`<${Button} onClick=${() => trying(() => more(words.value))}>
      Show more of ${shown.total}
    <//>`;
  return html`
    <${Dialog} title="LoRAs" onClose=${onClose} footer=${footer} wide>
      ${mayManage.value && html`<${AddLora} />`}
      <input
        type="search"
        aria-label="Search LoRAs"
        placeholder="Name, trigger word or base model"
        onInput=${look}
      />
      ${shown && html`<p class="muted">${counted(shown.total, "LoRA")} for this model</p>`}
      <ul class="lora-list">
        ${(shown?.loras ?? []).map((lora) => html`<${Entry} lora=${lora} key=${lora.id} />`)}
      </ul>
    <//>
  `;
}

function Entry({ lora }) {
  const taken = chosen().some(({ id }) => id === lora.id);
  const label = taken ? `Remove ${lora.name}` : `Add ${lora.name}`;
  return html`
    <li>
      <${Picture} lora=${lora} />
      <div>
        <strong>${lora.name}</strong>
        <p class="muted">${[lora.base_model, ...lora.trigger_words].filter(Boolean).join(" · ")}</p>
        ${lora.unsupported && html`<p class="error">${lora.unsupported}</p>`}
      </div>
      <${Button}
        icon=${taken ? "check" : "plus"}
        aria-label=${label}
        aria-pressed=${taken}
        disabled=${Boolean(lora.unsupported)}
        onClick=${() => (taken ? drop(lora.id) : add(lora))}
      >
        ${taken ? "Added" : "Add"}
      <//>
    </li>
  `;
}

/** Its picture, else its first letter. */
export function Picture({ lora }) {
  if (!lora.preview_url) {
    return html`<span class="lora-picture" aria-hidden="true">${lora.name.slice(0, 1)}</span>`;
  }
  return html`<img class="lora-picture" src=${lora.preview_url} alt="" loading="lazy" />`;
}
