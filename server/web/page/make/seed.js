// The seed: new for every picture, or kept.

import { html } from "../lib/ui.js";
import { IconButton } from "../parts/button.js";
import { edit, lastSeed, read, reset } from "../state/form.js";
import { NumberBox } from "./number-box.js";

/** Large enough to never meet twice, small enough to read out. */
const MOST = 2 ** 32;

const drawn = () => Math.floor(Math.random() * MOST);

export function SeedField({ id, field, invalid, described }) {
  const seed = read(field);
  const kept = seed !== null;
  const placeholder = lastSeed.value === null ? "new for every picture" : `last: ${lastSeed.value}`;
  return html`
    <div class="seed">
      <${NumberBox}
        id=${id}
        name="seed"
        aria-label=${field.title}
        placeholder=${placeholder}
        value=${seed}
        minimum=${field.minimum}
        maximum=${field.maximum}
        step="1"
        nullable
        aria-invalid=${invalid}
        ...${described}
        onChange=${(value) => (value === null ? reset("seed") : edit("seed", value))}
      />
      <${IconButton} icon="dice" label="Draw a seed" onClick=${() => edit("seed", drawn())} />
      <${IconButton}
        icon=${kept ? "lock" : "unlock"}
        label=${kept ? "The seed is kept: take a new one each time" : "Keep the last seed"}
        aria-pressed=${kept}
        onClick=${() => (kept ? reset("seed") : edit("seed", lastSeed.value ?? drawn()))}
      />
    </div>
  `;
}
