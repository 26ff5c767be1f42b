// The plugins, those at fault first.

import { html } from "../lib/ui.js";

export function Plugins({ plugins }) {
  const sorted = plugins.toSorted((one, other) => one.ok - other.ok);
  return html`
    <section aria-labelledby="plugins-title">
      <h2 id="plugins-title">Plugins</h2>
      <ul class="plugins">
        ${sorted.map(
          ({ name, version, ok, error, warnings }) => html`
            <li key=${name}>
              <strong>${name}</strong> <span class="muted">${version}</span>
              ${" "}<span class="state" data-kind=${ok ? "ready" : "bad"}>${ok ? "Works" : "At fault"}</span>
              ${error && html`<p class="error">${error}</p>`}
              ${warnings.map((warning) => html`<p class="warning">${warning}</p>`)}
            </li>
          `,
        )}
      </ul>
    </section>
  `;
}
