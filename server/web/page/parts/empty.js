// What is shown where there is nothing yet: what to do about it.

import { html } from "../lib/ui.js";
import { Icon } from "./icon.js";

export function Empty({ icon, title, children }) {
  return html`
    <div class="empty">
      <${Icon} name=${icon} size=${40} />
      <h2>${title}</h2>
      <div>${children}</div>
    </div>
  `;
}
