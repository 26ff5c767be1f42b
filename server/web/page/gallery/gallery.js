// The gallery: search, filters, the grid, and what is done with several images at once.

import { html, useEffect } from "../lib/ui.js";
import { counted } from "../pure/format.js";
import { Button } from "../parts/button.js";
import { Empty } from "../parts/empty.js";
import {
  failure,
  filters,
  refreshFacets,
  reload,
  scrolled,
  search,
  total,
  waiting,
} from "../state/gallery.js";
import { linkTo } from "../state/route.js";
import { trying } from "../state/toasts.js";
import { Filters } from "./filters.js";
import { Grid } from "./grid.js";
import { Selection } from "./selection.js";

export function GalleryView() {
  useEffect(() => {
    trying(refreshFacets);
    if (total.value === null) reload();
    const look = () => scrolled(scrollY < 40);
    look();
    addEventListener("scroll", look, { passive: true });
    return () => {
      removeEventListener("scroll", look);
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
  if (Object.values(filters.value).some(Boolean)) {
    const all = () => search({ q: "", model: "", lora: "" });
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
