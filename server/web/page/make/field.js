// A field: its name, what it means, its control, and what the server said against its value.

import { classes, html, useId } from "../lib/ui.js";
import { same } from "../pure/values.js";
import { IconButton } from "../parts/button.js";
import { Icon } from "../parts/icon.js";
import { edits, errors, read, reset } from "../state/form.js";

/** Controls that are several elements: they are named as a group. */
const GROUPS = new Set(["slider", "seed", "image", "images"]);

export function Field({ field, control: Control }) {
  const id = useId();
  const texts = errors.value[field.name] ?? [];
  const changed = field.name in edits.value && !same(read(field), field.fallback);
  const isGroup = GROUPS.has(field.control);
  const described = { "aria-describedby": `${id}-help ${id}-error` };
  const label = isGroup
    ? html`<span class="label" id=${`${id}-label`}>${field.title}</span>`
    : html`<label class="label" for=${id}>${field.title}</label>`;
  const name = isGroup ? { role: "group", "aria-labelledby": `${id}-label` } : {};
  return html`
    <div class=${classes("field", texts.length && "refused")} data-field=${field.name} ...${name}>
      <div class="field-head">
        ${label}
        <${Help} id=${`${id}-help`} field=${field} />
        ${
          changed &&
          !field.required &&
          html`<${IconButton}
          class="reset"
          icon="reuse"
          label=${`Reset ${field.title}`}
          onClick=${() => reset(field.name)}
        />`
        }
      </div>
      <${Control} id=${id} field=${field} invalid=${texts.length > 0} described=${described} />
      <div id=${`${id}-error`}>
        ${texts.map((text) => html`<p class="error">${text}</p>`)}
      </div>
    </div>
  `;
}

/** What a field means, shown to whoever points at it or reaches it with the keyboard. */
function Help({ id, field }) {
  if (!field.help) return html`<span id=${id} hidden />`;
  return html`
    <span class="help">
      <button type="button" class="help-mark" aria-label=${`About ${field.title}`} aria-describedby=${id}>
        <${Icon} name="info" size=${15} />
      </button>
      <span class="help-text" role="tooltip" id=${id}>${field.help}</span>
    </span>
  `;
}
