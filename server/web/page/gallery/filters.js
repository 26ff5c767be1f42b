// What the gallery is searched by.

import { html, useEffect, useRef, useSignal } from "../lib/ui.js";
import { counted } from "../pure/format.js";
import { Button } from "../parts/button.js";
import { facets, filters, search, total } from "../state/gallery.js";
import { models } from "../state/models.js";
import { selected, selecting, setSelecting } from "./selection.js";

/** Milliseconds after the last key. */
const PAUSE = 250;

/** Look for something else: from the top, with nothing selected. */
export function find(change) {
  selected.value = new Set();
  scrollTo(0, 0);
  return search(change);
}

export function Filters() {
  const timer = useRef(0);
  const words = useSignal(filters.value.q);
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    if (filters.value.q !== words.value.trim()) words.value = filters.value.q;
  }, [filters.value.q]);
  const type = (event) => {
    words.value = event.target.value;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => find({ q: words.value.trim() }), PAUSE);
  };
  return html`
    <div class="filters" role="search">
      <input
        type="search"
        aria-label="Search the pictures"
        placeholder="Words of the prompt"
        value=${words.value}
        onInput=${type}
      />
      <${Choice} name="model" label="Model" all="All models" options=${modelOptions()} />
      <${Choice} name="lora" label="LoRA" all="All LoRAs" options=${loraOptions()} />
      <p class="muted" role="status">${total.value !== null && counted(total.value, "picture")}</p>
      <${Button}
        icon="check"
        aria-pressed=${selecting.value}
        onClick=${() => setSelecting(!selecting.value)}
      >
        Select
      <//>
    </div>
  `;
}

function Choice({ name, label, all, options }) {
  const chosen = filters.value[name];
  if (!options.length && !chosen) return null;
  return html`
    <select aria-label=${label} onChange=${(event) => find({ [name]: event.target.value })}>
      <option value="" selected=${!chosen}>${all}</option>
      ${options.map(
        ([id, text]) =>
          html`<option value=${id} selected=${id === chosen} key=${id}>${text}</option>`,
      )}
    </select>
  `;
}

function modelOptions() {
  const titles = new Map(models.value.map(({ id, title }) => [id, title]));
  return facets.value.models.map(({ id, count }) => [id, `${titles.get(id) ?? id} (${count})`]);
}

function loraOptions() {
  return facets.value.loras.map(({ id, name, count }) => [id, `${name ?? id} (${count})`]);
}
