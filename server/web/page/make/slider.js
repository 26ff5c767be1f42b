// A number with a range: a slider to play with, beside it a box to be exact in.

import { html } from "../lib/ui.js";
import { edit, read } from "../state/form.js";
import { NumberBox } from "./number-box.js";

/** The two inputs. `id` and `name` are the box's. */
export function Slider({
  id,
  name,
  label,
  value,
  minimum,
  maximum,
  step,
  invalid,
  described,
  onChange,
}) {
  return html`
    <div class="slider">
      <input
        type="range"
        aria-label=${label}
        min=${minimum}
        max=${maximum}
        step=${step}
        value=${value}
        ...${described}
        onInput=${({ target }) => onChange(target.valueAsNumber)}
      />
      <${NumberBox}
        id=${id}
        name=${name}
        aria-label=${`${label}, as a number`}
        value=${value}
        minimum=${minimum}
        maximum=${maximum}
        step=${step}
        aria-invalid=${invalid}
        ...${described}
        onChange=${onChange}
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
