// The controls of fields, by kind.

import { html, useLayoutEffect, useRef, useSignal } from "../lib/ui.js";
import { edit, read } from "../state/form.js";
import { ImageField } from "./image.js";
import { ImagesField } from "./images.js";
import { NumberBox } from "./number-box.js";
import { SeedField } from "./seed.js";
import { SliderField } from "./slider.js";

const CONTROLS = {
  lines: LinesField,
  text: TextField,
  number: NumberField,
  slider: SliderField,
  choice: ChoiceField,
  switch: SwitchField,
  seed: SeedField,
  image: ImageField,
  images: ImagesField,
  loras: () => null, // a section of its own
  json: JsonField,
};

export const control = (field) => CONTROLS[field.control];

/** Several lines, as tall as what is in them. */
function LinesField({ id, field, invalid, described }) {
  const area = useRef(null);
  const value = read(field) ?? "";
  useLayoutEffect(() => {
    area.current.style.height = "auto";
    area.current.style.height = `${area.current.scrollHeight + 2}px`;
  }, [value]);
  return html`
    <textarea
      id=${id}
      ref=${area}
      name=${field.name}
      rows=${field.name === "prompt" ? 3 : 1}
      maxlength=${field.limit}
      placeholder=${field.name === "prompt" ? "What should the picture show?" : ""}
      value=${value}
      aria-invalid=${invalid}
      ...${described}
      onInput=${(event) => edit(field.name, event.target.value)}
    />
  `;
}

function TextField({ id, field, invalid, described }) {
  return html`
    <input
      id=${id}
      name=${field.name}
      type="text"
      value=${read(field) ?? ""}
      aria-invalid=${invalid}
      ...${described}
      onInput=${(event) => edit(field.name, event.target.value)}
    />
  `;
}

/** A number of a range too wide for a slider. */
function NumberField({ id, field, invalid, described }) {
  return html`
    <${NumberBox}
      id=${id}
      name=${field.name}
      value=${read(field)}
      minimum=${field.minimum}
      maximum=${field.maximum}
      step=${field.step}
      nullable=${field.nullable}
      aria-invalid=${invalid}
      ...${described}
      onChange=${(value) => edit(field.name, value)}
    />
  `;
}

function ChoiceField({ id, field, invalid, described }) {
  const chosen = read(field);
  return html`
    <select
      id=${id}
      name=${field.name}
      aria-invalid=${invalid}
      ...${described}
      onChange=${(event) => edit(field.name, JSON.parse(event.target.value))}
    >
      ${field.options.map(
        (option) => html`
          <option value=${JSON.stringify(option)} selected=${option === chosen} key=${option}>
            ${String(option)}
          </option>
        `,
      )}
    </select>
  `;
}

function SwitchField({ id, field, invalid, described }) {
  return html`
    <input
      id=${id}
      name=${field.name}
      type="checkbox"
      role="switch"
      class="switch"
      checked=${read(field)}
      aria-invalid=${invalid}
      ...${described}
      onChange=${(event) => edit(field.name, event.target.checked)}
    />
  `;
}

/** What has no control of its own, as JSON: a plugin may ask for anything. */
function JsonField({ id, field, invalid, described }) {
  const wrong = useSignal(null); // what was typed, while it is no JSON
  const take = ({ target }) => {
    try {
      edit(field.name, JSON.parse(target.value));
      wrong.value = null;
    } catch {
      wrong.value = target.value;
    }
  };
  return html`
    <textarea
      id=${id}
      name=${field.name}
      rows="2"
      class="code"
      aria-invalid=${invalid || wrong.value !== null}
      ...${described}
      onChange=${take}
      value=${wrong.value ?? JSON.stringify(read(field))}
    />
    ${wrong.value !== null && html`<p class="error">This is no JSON.</p>`}
  `;
}
