// The form of the chosen model, made from its JSON Schema.

import { computed, html, useEffect, useLayoutEffect, useRef } from "../lib/ui.js";
import { NEED_START } from "../pure/values.js";
import { Button } from "../parts/button.js";
import { edits, errors, fields, read, resetAll, schema, submit } from "../state/form.js";
import { mayGenerate } from "../state/session.js";
import { control } from "./controls.js";
import { Field } from "./field.js";
import { Loras } from "./loras.js";
import { ModelPicker } from "./model-picker.js";
import { Enrich } from "./enrich.js";
import { Size } from "./size.js";

const hasStart = computed(() => {
  const start = fields.value.find(({ name }) => name === "init_image");
  return start !== undefined && read(start) !== null;
});

/** The fields of a group that mean something now. */
function inGroup(group) {
  return fields.value.filter(
    (field) =>
      field.group === group && (hasStart.value || field.required || !NEED_START.has(field.name)),
  );
}

export function Form() {
  async function send(event) {
    event.preventDefault();
    if (!schema.value || !mayGenerate.value) return;
    if (await submit()) showJobs();
    else showErrors();
  }

  useEffect(() => {
    const keyDown = (event) => {
      const meant = event.key === "Enter" && (event.ctrlKey || event.metaKey);
      if (meant && !event.repeat && !document.querySelector("dialog[open]")) send(event);
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

/** What few people change, folded away at first unless something in it was changed. */
function Details() {
  const element = useRef(null);
  const found = inGroup("details");
  useLayoutEffect(() => {
    if (element.current) element.current.open = found.some(({ name }) => name in edits.peek());
  }, [schema.value.id]);
  if (!found.length) return null;
  return html`
    <details class="group" ref=${element}>
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
  jobs?.scrollTo(0, 0);
  if (jobs?.getBoundingClientRect().top > innerHeight / 2) jobs.scrollIntoView();
}

/** Unfold what was refused, and bring the first of it onto the screen. */
function showErrors() {
  requestAnimationFrame(() => {
    const refused = [...document.querySelectorAll(".form .refused")];
    refused.forEach((field) => {
      const folded = field.closest("details");
      if (folded) folded.open = true;
    });
    const [first = document.querySelector(".form .error")] = refused;
    first?.scrollIntoView({ block: "center" });
    first?.querySelector("[aria-invalid=true]")?.focus({ preventScroll: true });
  });
}
