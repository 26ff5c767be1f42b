// Asks for a key, where the server wants one.

import { html, useEffect, useRef, useSignal } from "./lib/ui.js";
import { Button } from "./parts/button.js";
import { enter, expelled, session } from "./state/session.js";

export function Login() {
  const field = useRef(null);
  const error = useSignal("");
  const busy = useSignal(false);
  useEffect(() => field.current.focus(), []);

  async function submit(event) {
    event.preventDefault();
    busy.value = true;
    error.value = "";
    try {
      await enter(field.current.value);
      if (!session.value.scopes.includes("read")) {
        error.value = "This key may not look at the gallery: it lacks the scope read.";
      }
    } catch (problem) {
      error.value = problem.message;
    }
    busy.value = false;
  }

  return html`
    <main class="login">
      <form onSubmit=${submit}>
        <h1><img src="/static/pages/icon.svg" alt="" width="40" height="40" />Darkroom</h1>
        ${expelled.value && html`<p class="warning">Your key is no longer good here.</p>`}
        <p>This server asks for a key. Who runs it makes one with</p>
        <p><code>darkroom keys add NAME</code></p>
        <label for="key">Key</label>
        <input
          id="key"
          ref=${field}
          type="password"
          autocomplete="current-password"
          required
          aria-invalid=${error.value !== ""}
          aria-describedby="key-error"
        />
        <p id="key-error" class="error" role="alert">${error.value}</p>
        <${Button} kind="primary" type="submit" disabled=${busy.value}>Enter<//>
      </form>
    </main>
  `;
}
