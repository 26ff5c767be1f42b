// A number with a range: a slider to play with, beside it a box to be exact in.

import { html } from "../lib/ui.js";
import { edit, read } from "../state/form.js";

/** The two inputs. `id` and what describes them are for the first. */
export function Slider({
  id,
  label,
  value,
  minimum,
  maximum,
  step,
  invalid,
  described,
  onChange,
  name,
}) {
  const take = (event) => {
    const number = event.target.valueAsNumber;
    if (!Number.isNaN(number)) onChange(number);
  };
  const limits = { min: minimum, max: maximum, step };
  return html`
    <div class="slider">
      <input
        type="range"
        aria-label=${label}
        ...${limits}
        value=${value}
        ...${described}
        onInput=${take}
      />
      <input
        id=${id}
        name=${name}
        type="number"
        aria-label=${`${label}, as a number`}
        ...${limits}
        value=${value}
        aria-invalid=${invalid}
        ...${described}
        onInput=${take}
      />
    </div>
  `;
}

export function SliderField({ id, field, invalid, described }) {
  return html`
    <${Slider}
      id=${id}
      name=${field.name}
      label=${field.title}
      value=${read(field)}
      minimum=${field.minimum}
      maximum=${field.maximum}
      step=${field.step}
      invalid=${invalid}
      described=${described}
      onChange=${(value) => edit(field.name, value)}
    />
  `;
}
