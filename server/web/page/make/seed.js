// The seed: new for every picture, or kept.

import { html } from "../lib/ui.js";
import { IconButton } from "../parts/button.js";
import { edit, edits, lastSeed, reset } from "../state/form.js";

/** Large enough to never meet twice, small enough to read out. */
const MOST = 2 ** 32;

const drawn = () => Math.floor(Math.random() * MOST);

export function SeedField({ id, field, invalid, described }) {
  const seed = edits.value.seed ?? null;
  const kept = seed !== null;
  const type = ({ target }) => {
    if (target.value === "") reset("seed");
    else edit("seed", Number(target.value));
  };
  return html`
    <div class="seed">
      <input
        id=${id}
        name="seed"
        type="number"
        min="0"
        step="1"
        aria-label=${field.title}
        placeholder=${lastSeed.value === null ? "new for every picture" : `last: ${lastSeed.value}`}
        value=${seed ?? ""}
        aria-invalid=${invalid}
        ...${described}
        onInput=${type}
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
