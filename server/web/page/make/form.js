// The form of the chosen model, made from its JSON Schema.

import { computed, html, useEffect } from "../lib/ui.js";
import { Button } from "../parts/button.js";
import { edits, errors, fields, resetAll, schema, submit } from "../state/form.js";
import { mayGenerate } from "../state/session.js";
import { control } from "./controls.js";
import { Field } from "./field.js";
import { Loras } from "./loras.js";
import { ModelPicker } from "./model-picker.js";
import { Enrich } from "./enrich.js";
import { Size } from "./size.js";

const NEED_START = ["strength", "mask_image"];

const hasStart = computed(() => Boolean(edits.value.init_image));

/** The fields of a group that mean something now. */
function inGroup(group) {
  return fields.value.filter(
    (field) =>
      field.group === group &&
      (hasStart.value || field.required || !NEED_START.includes(field.name)),
  );
}

export function Form() {
  async function send(event) {
    event.preventDefault();
    if (!schema.value || !mayGenerate.value) return;
    if (await submit()) showJobs();
    else showError();
  }

  useEffect(() => {
    const keyDown = (event) => {
      const meant = event.key === "Enter" && (event.ctrlKey || event.metaKey);
      if (meant && !event.repeat && !event.target.closest("dialog")) send(event);
    };
    document.addEventListener("keydown", keyDown);
    return () => document.removeEventListener("keydown", keyDown);
  }, []);

  return html`
    <form class="form" aria-label="What to make" onSubmit=${send} novalidate>
      <${ModelPicker} />
      ${schema.value ? html`<${Groups} />` : html`<p class="muted">Asking for its parameters …</p>`}
      <footer class="form-end">
        <${Problems} />
        <div class="form-actions">
          <${Button} kind="quiet" icon="reuse" onClick=${resetAll}>Reset<//>
          <button
            type="submit"
            class="button primary"
            disabled=${!schema.value || !mayGenerate.value}
          >
            Make it <kbd>Ctrl Enter</kbd>
          </button>
        </div>
        ${!mayGenerate.value && html`<p class="muted">Your key may look, but not make pictures.</p>`}
      </footer>
    </form>
  `;
}

function Groups() {
  return html`
    <${Section} name="prompt" title="Words"><${Fields} of="prompt" /><${Enrich} /><//>
    <${Section} name="size" title="Size, number and seed"><${Size} /><${Fields} of="size" /><//>
    <${Section} name="start" title="Pictures to begin with"><${Fields} of="start" /><//>
    ${fields.value.some(({ control: kind }) => kind === "loras") && html`<${Loras} />`}
    <${Details} />
  `;
}

function Section({ name, title, children }) {
  if (!inGroup(name).length) return null;
  return html`<section class="group" aria-label=${title}>${children}</section>`;
}

/** What few people change, folded away unless something in it was changed or refused. */
function Details() {
  const found = inGroup("details");
  if (!found.length) return null;
  const touched = found.some(({ name }) => name in edits.value || name in errors.value);
  return html`
    <details class="group" open=${touched}>
      <summary><h2>Details</h2></summary>
      <${Fields} of="details" />
    </details>
  `;
}

function Fields({ of: group }) {
  return inGroup(group)
    .filter(({ name }) => !(group === "size" && (name === "width" || name === "height")))
    .map((field) => html`<${Field} field=${field} control=${control(field)} key=${field.name} />`);
}

/** What was refused and belongs to no field that is shown. */
function Problems() {
  const shown = new Set(fields.value.map(({ name }) => name));
  const lost = Object.entries(errors.value).filter(([name]) => !shown.has(name));
  return html`
    <div role="alert">
      ${lost.flatMap(([, texts]) => texts).map((text) => html`<p class="error">${text}</p>`)}
    </div>
  `;
}

/** Where the jobs stand below the form (on a phone), bring them onto the screen. */
function showJobs() {
  const jobs = document.querySelector(".watch");
  if (jobs.getBoundingClientRect().top > innerHeight / 2) jobs.scrollIntoView();
}

/** Bring the first thing that was refused onto the screen. */
function showError() {
  requestAnimationFrame(() => {
    const place = document.querySelector(".form [aria-invalid=true]");
    place?.focus();
    (place ?? document.querySelector(".form .error"))?.scrollIntoView({ block: "center" });
  });
}
