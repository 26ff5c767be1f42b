// The view in which pictures are made, and seen developing beside it.

import { html } from "../lib/ui.js";
import { Watch } from "../watch/watch.js";
import { Form } from "./form.js";

export function MakeView() {
  return html`
    <h1 class="unseen">Make pictures</h1>
    <div class="make">
      <${Form} />
      <${Watch} />
    </div>
  `;
}
