// Width and height, by shape or exactly.

import { batch, classes, computed, html } from "../lib/ui.js";
import { presetsOf, shapeOf } from "../pure/aspect.js";
import { IconButton } from "../parts/button.js";
import { edit, fields, read, schema } from "../state/form.js";
import { control } from "./controls.js";
import { Field } from "./field.js";

const presets = computed(() => (schema.value ? presetsOf(schema.value.json) : []));

function resize(width, height) {
  batch(() => {
    edit("width", width);
    edit("height", height);
  });
}

/** Nothing for models whose images have no size of their own. */
export function Size() {
  const [across, down] = ["width", "height"].map((name) =>
    fields.value.find((field) => field.name === name),
  );
  if (!across || !down) return null;
  const [width, height] = [read(across), read(down)];
  return html`
    <div class="size">
      <div class="presets" role="group" aria-label="Shape">
        ${presets.value.map(
          (preset) =>
            html`<${Preset} preset=${preset} width=${width} height=${height} key=${preset.name} />`,
        )}
        <${IconButton} icon="swap" label="Swap width and height" onClick=${() => resize(height, width)} />
      </div>
      <p class="muted">
        ${width} × ${height} pixels, ${shapeOf(width, height, presets.value)}
      </p>
      <details class="exact">
        <summary>Exact size</summary>
        ${[across, down].map(
          (field) => html`<${Field} field=${field} control=${control(field)} key=${field.name} />`,
        )}
      </details>
    </div>
  `;
}

function Preset({ preset, width, height }) {
  const chosen = preset.width === width && preset.height === height;
  const [across, down] = preset.name.split(":").map(Number);
  const edge = 16 / Math.max(across, down);
  return html`
    <button
      type="button"
      class=${classes("preset", chosen && "chosen")}
      aria-pressed=${chosen}
      title=${`${preset.width} × ${preset.height}`}
      onClick=${() => resize(preset.width, preset.height)}
    >
      <svg width="18" height="18" viewBox="-9 -9 18 18" aria-hidden="true">
        <rect
          x=${(-across * edge) / 2}
          y=${(-down * edge) / 2}
          width=${across * edge}
          height=${down * edge}
          rx="1.5"
        />
      </svg>
      ${preset.name}
    </button>
  `;
}
