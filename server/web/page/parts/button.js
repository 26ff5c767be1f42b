// Buttons.

import { classes, html } from "../lib/ui.js";
import { Icon } from "./icon.js";

/** A button with words, and an icon before them. `kind`: plain, primary, quiet or danger. */
export function Button({ icon, kind = "plain", children, class: extra, ...rest }) {
  return html`
    <button type="button" class=${classes("button", kind, extra)} ...${rest}>
      ${icon && html`<${Icon} name=${icon} size=${18} />`}${children}
    </button>
  `;
}

/** A button that is an icon only: `label` is what it is called, and its tooltip. */
export function IconButton({ icon, label, class: extra, ...rest }) {
  return html`
    <button
      type="button"
      class=${classes("icon-button", extra)}
      aria-label=${label}
      title=${label}
      ...${rest}
    >
      <${Icon} name=${icon} />
    </button>
  `;
}
