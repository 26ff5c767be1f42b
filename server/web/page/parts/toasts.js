// The short messages at the edge of the screen.

import { html } from "../lib/ui.js";
import { dismiss, toasts } from "../state/toasts.js";
import { IconButton } from "./button.js";

export function Toasts() {
  return html`
    <div class="toasts" role="status" aria-live="polite">
      ${toasts.value.map(
        ({ id, text, kind }) => html`
          <div class="toast" data-kind=${kind} key=${id}>
            <p>${text}</p>
            <${IconButton} icon="close" label="Dismiss" onClick=${() => dismiss(id)} />
          </div>
        `,
      )}
    </div>
  `;
}
