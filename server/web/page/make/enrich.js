// Help with words: prompts to begin with, and the server's way of writing one out in a style.

import { get, post } from "../lib/api.js";
import { html, useSignal, useSignalEffect } from "../lib/ui.js";
import { Button } from "../parts/button.js";
import { edit, prompt as words, schema } from "../state/form.js";
import { online } from "../state/jobs.js";
import { mayGenerate } from "../state/session.js";
import { trying, tell } from "../state/toasts.js";

/** For whoever does not know what to ask for: what the model itself says that it can do. */
function Examples() {
  const prompts = (schema.value.json.examples ?? []).map(({ prompt }) => prompt).filter(Boolean);
  if (!prompts.length) return null;
  return html`
    <div class="chips" role="group" aria-label="Prompts to begin with">
      ${prompts.slice(0, 3).map(
        (prompt) => html`
          <button type="button" class="chip" onClick=${() => edit("prompt", prompt)} key=${prompt}>
            ${prompt}
          </button>
        `,
      )}
    </div>
  `;
}

export function Enrich() {
  const styles = useSignal([]);
  const style = useSignal("enhance");
  const before = useSignal(null);
  const busy = useSignal(false);
  useSignalEffect(() => {
    if (!online.value) return;
    trying(async () => {
      styles.value = (await get("/api/enrich/styles")).styles;
    });
  });

  async function write() {
    busy.value = true;
    const prompt = words.value;
    await trying(async () => {
      const written = await post("/api/enrich", { prompt, style: style.value });
      if (words.value !== prompt) return; // somebody went on writing
      before.value = prompt;
      edit("prompt", written.enriched_prompt);
      if (written.warning) tell(written.warning);
    });
    busy.value = false;
  }

  function undo() {
    edit("prompt", before.value);
    before.value = null;
  }

  if (!words.value.trim()) return html`<${Examples} />`;
  const idle = busy.value || !mayGenerate.value;
  return html`
    <div class="enrich">
      <${Button} kind="quiet" icon="wand" disabled=${idle} onClick=${write}>Write it out<//>
      <select aria-label="Style" onChange=${(event) => (style.value = event.target.value)}>
        ${styles.value.map(
          ({ name, title, example }) => html`
            <option value=${name} title=${example} selected=${name === style.value} key=${name}>
              ${title}
            </option>
          `,
        )}
      </select>
      ${before.value !== null && html`<${Button} kind="quiet" onClick=${undo}>Undo<//>`}
    </div>
  `;
}
