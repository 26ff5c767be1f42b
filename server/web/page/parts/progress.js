// A bar that fills.

import { html, useEffect, useRef } from "../lib/ui.js";

/** `share`: 0 to 1; null where nobody can tell, and the bar only shows that something happens. */
export function Progress({ share, label }) {
  const bar = useRef(null);
  // A style attribute in the markup would be refused by the Content-Security-Policy.
  useEffect(() => {
    if (share !== null) bar.current.style.setProperty("--share", share);
  }, [share]);
  const value = share === null ? {} : { "aria-valuenow": Math.round(share * 100) };
  return html`
    <div
      class="progress"
      role="progressbar"
      aria-label=${label}
      aria-valuemin="0"
      aria-valuemax="100"
      data-unknown=${share === null}
      ...${value}
    >
      <div ref=${bar} />
    </div>
  `;
}
