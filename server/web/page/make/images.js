// Several images as one parameter.

import { html } from "../lib/ui.js";
import { edit, read } from "../state/form.js";
import { ImageDrop, ImageShown } from "./image.js";

export function ImagesField({ id, field, invalid, described }) {
  const values = read(field) ?? [];
  const without = (index) => edit(field.name, values.toSpliced(index, 1));
  return html`
    <div class="given-list">
      ${values.map(
        (value, index) => html`
          <${ImageShown}
            value=${value}
            label=${`${field.title} ${index + 1}`}
            onRemove=${() => without(index)}
            onImage=${(image) => edit(field.name, values.with(index, image))}
            key=${index}
          />
        `,
      )}
    </div>
    ${
      values.length < (field.limit ?? Infinity) &&
      html`<${ImageDrop}
      id=${id}
      label=${field.title}
      invalid=${invalid}
      described=${described}
      onImage=${(image) => edit(field.name, [...values, image])}
    />`
    }
  `;
}
