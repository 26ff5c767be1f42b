// The gallery: search, filters, the grid, and what is done with several images at once.

import { html, useEffect } from "../lib/ui.js";
import { counted } from "../pure/format.js";
import { Button } from "../parts/button.js";
import { Empty } from "../parts/empty.js";
import {
  failure,
  filtered,
  refreshFacets,
  reload,
  scrolled,
  total,
  waiting,
} from "../state/gallery.js";
import { linkTo } from "../state/route.js";
import { trying } from "../state/toasts.js";
import { Filters, find } from "./filters.js";
import { Grid } from "./grid.js";
import { Selection, setSelecting } from "./selection.js";

export function GalleryView() {
  useEffect(() => {
    trying(refreshFacets);
    if (total.value === null) reload();
    const look = () => scrolled(scrollY < 40);
    look();
    const escape = (event) => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) setSelecting(false);
    };
    addEventListener("scroll", look, { passive: true });
    document.addEventListener("keydown", escape);
    return () => {
      removeEventListener("scroll", look);
      document.removeEventListener("keydown", escape);
      scrolled(false);
    };
  }, []);
  return html`
    <h1 class="unseen">Gallery</h1>
    <div class="gallery">
      <${Filters} />
      <${Selection} />
      <${Fresh} />
      ${failure.value && html`<p class="error" role="alert">${failure.value}</p>`}
      ${total.value === 0 ? html`<${Nothing} />` : html`<${Grid} />`}
    </div>
  `;
}

/** New images wait at the top while somebody looks at old ones: nothing jumps. */
function Fresh() {
  const top = () => scrollTo({ top: 0 });
  return html`
    <div class="fresh" role="status">
      ${
        waiting.value > 0 &&
        html`<${Button} kind="primary" icon="up" onClick=${top}>${counted(waiting.value, "new picture")}<//>`
      }
    </div>
  `;
}

function Nothing() {
  if (filtered.value) {
    const all = () => find();
    return html`
      <${Empty} icon="search" title="No picture matches">
        <${Button} onClick=${all}>Show all<//>
      <//>
    `;
  }
  return html`
    <${Empty} icon="gallery" title="No pictures yet">
      <a class="button primary" href=${linkTo("make")}>Make the first</a>
    <//>
  `;
}
