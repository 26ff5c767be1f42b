// The one door to the vendored libraries: what views need to show themselves.

import htm from "../../vendor/htm.js";
import { h, render } from "../../vendor/preact.js";

export { useEffect, useId, useLayoutEffect, useRef } from "../../vendor/hooks.js";
export {
  batch,
  computed,
  effect,
  signal,
  untracked,
  useSignal,
  useSignalEffect,
} from "../../vendor/signals.js";

/** JSX without a compiler: html`<p class=${name}>…</p>`. Texts are escaped. */
export const html = htm.bind(h);

/** Class names: strings as they are, falsy ones left out. */
export function classes(...names) {
  return names.filter(Boolean).join(" ");
}

/** Put a component into the page. */
export function mount(component, place) {
  render(h(component), place);
}
