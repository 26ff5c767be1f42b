// The LoRAs of a request.

import { html, useEffect } from "../lib/ui.js";
import { has, insert } from "../pure/words.js";
import { Button, IconButton } from "../parts/button.js";
import { openDialog } from "../parts/dialog.js";
import { edit, errors, fields, prompt, read } from "../state/form.js";
import { change, downloads, drop, known, lookUp } from "../state/loras.js";
import { model } from "../state/models.js";
import { trying } from "../state/toasts.js";
import { Download } from "./lora-add.js";
import { LoraPicker, Picture } from "./lora-picker.js";
import { Slider } from "./slider.js";

export function Loras() {
  const field = fields.value.find(({ control }) => control === "loras");
  const loras = read(field);
  return html`
    <section class="group" aria-label="LoRAs" data-field="loras">
      <h2>LoRAs</h2>
      ${loras.map((lora) => html`<${Row} lora=${lora} field=${field} key=${lora.id} />`)}
      ${(errors.value.loras ?? []).map((text) => html`<p class="error">${text}</p>`)}
      ${downloads.value.map((id) => html`<${Download} id=${id} key=${id} />`)}
      ${
        loras.length < (field.limit ?? Infinity) &&
        html`<${Button} icon="plus" onClick=${() => openDialog(LoraPicker)}>Add a LoRA<//>`
      }
    </section>
  `;
}

function Row({ lora, field }) {
  useEffect(() => {
    trying(() => lookUp(lora.id));
  }, [lora.id]);
  const record = known.value[lora.id];
  const name = record?.name ?? lora.id;
  return html`
    <div class="lora" role="group" aria-label=${`LoRA ${name}`}>
      <div class="lora-head">
        ${record && html`<${Picture} lora=${record} />`}
        <strong>${name}</strong>
        <${IconButton} icon="close" label=${`Remove ${name}`} onClick=${() => drop(lora.id)} />
      </div>
      ${
        record &&
        !record.unsupported &&
        record.family !== model.value?.family &&
        html`<p class="warning">It is for ${record.family}: this model cannot use it.</p>`
      }
      ${record?.unsupported && html`<p class="warning">${record.unsupported}</p>`}
      <${Weight} lora=${lora} field=${field} part="weight" title="Weight" otherwise=${record?.weight ?? 1} />
      ${
        record?.trigger_words.length > 0 &&
        html`
        <${Weight}
          lora=${lora}
          field=${field}
          part="trigger_weight"
          title="Trigger weight"
          otherwise=${record.trigger_weight}
        />
        <${Words} words=${record.trigger_words} />
      `
      }
    </div>
  `;
}

function Weight({ lora, field, part, title, otherwise }) {
  const type = field.items.properties[part];
  if (!type) return null;
  const { minimum, maximum } = type.anyOf?.find((each) => each.type === "number") ?? type;
  return html`
    <div class="weight">
      <span aria-hidden="true">${title}</span>
      <${Slider}
        label=${title}
        value=${lora[part] ?? otherwise}
        minimum=${minimum}
        maximum=${maximum}
        step=${0.05}
        onChange=${(value) => change(lora.id, { [part]: value })}
      />
    </div>
  `;
}

/** Trigger words: pressed, one goes into the prompt where the caret was. */
function Words({ words }) {
  const put = (word) => {
    const area = document.querySelector('textarea[name="prompt"]');
    const { prompt: written, caret } = insert(prompt.value, word, area?.selectionEnd);
    edit("prompt", written);
    requestAnimationFrame(() => {
      area?.focus();
      area?.setSelectionRange(caret, caret);
    });
  };
  return html`
    <div class="chips" role="group" aria-label="Trigger words">
      ${words.map((word) => {
        const there = has(prompt.value, word);
        return html`
          <button
            type="button"
            class="chip"
            disabled=${there}
            title=${there ? "It is in the prompt" : "Put it into the prompt"}
            onClick=${() => put(word)}
            key=${word}
          >
            ${there ? "✓" : "+"} ${word}
          </button>
        `;
      })}
    </div>
  `;
}
