// The short messages at the edge of the screen.

import { html, useEffect, useRef } from "../lib/ui.js";
import { dismiss, toasts } from "../state/toasts.js";
import { IconButton } from "./button.js";

export function Toasts() {
  const place = useRef(null);
  const shown = toasts.value;
  useEffect(() => {
    // What is shown last stands above all else: above a dialog that was opened before, too.
    place.current.hidePopover?.();
    if (shown.length) place.current.showPopover?.();
  }, [shown]);
  return html`
    <div class="toasts" ref=${place} popover="manual" role="status" aria-live="polite">
      ${shown.map(
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
