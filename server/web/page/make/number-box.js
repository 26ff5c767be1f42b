// A box to type a number into. What is typed stays as it is until the box is left; meanwhile the form
// has the nearest number that is allowed.

import { html, useSignal } from "../lib/ui.js";

export function NumberBox({ value, minimum, maximum, nullable = false, onChange, ...rest }) {
  const typed = useSignal(null);
  const take = ({ target }) => {
    typed.value = target.value;
    const number = target.valueAsNumber;
    if (!Number.isNaN(number)) onChange(clamped(number, minimum, maximum));
    else if (nullable && !target.validity.badInput) onChange(null);
  };
  return html`
    <input
      type="number"
      min=${minimum}
      max=${maximum}
      ...${rest}
      value=${typed.value ?? String(value ?? "")}
      onInput=${take}
      onBlur=${() => (typed.value = null)}
    />
  `;
}

function clamped(number, minimum = -Infinity, maximum = Infinity) {
  return Math.min(Math.max(number, minimum), maximum);
}
