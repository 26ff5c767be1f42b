// One thumbnail.

import { classes, html, useLayoutEffect, useRef, useSignal } from "../lib/ui.js";
import { Icon } from "../parts/icon.js";
import { linkToImage, look, meansNewTab } from "../state/route.js";
import { selected, selecting, toggle } from "./selection.js";

/** `image` may be undefined: its page is on its way. Only the `current` one is reached with Tab. */
export function Tile({ image, index, count, current, onFocus }) {
  const gone = useSignal(false);
  const place = { role: "listitem", "aria-posinset": index + 1, "aria-setsize": count };
  if (!image) return html`<div class="tile waiting" ...${place}></div>`;
  const name = image.prompt || image.filename;
  const isSelected = selected.value.has(image.filename);
  const open = (event) => {
    if (meansNewTab(event)) return;
    event.preventDefault();
    if (selecting.value) toggle(image.filename, index, event.shiftKey);
    else look(image.filename);
  };
  const keyDown = (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    toggle(image.filename, index, event.shiftKey);
  };
  const drag = (event) =>
    event.dataTransfer.setData("application/x-darkroom-image", image.filename);
  const state = selecting.value ? { role: "checkbox", "aria-checked": isSelected } : {};
  return html`
    <div class=${classes("tile", isSelected && "selected")} ...${place}>
      <a
        href=${linkToImage(image.filename, "gallery")}
        data-index=${index}
        tabindex=${current ? 0 : -1}
        aria-label=${name}
        ...${state}
        onClick=${open}
        onKeyDown=${keyDown}
        onFocus=${onFocus}
        onDragStart=${drag}
      >
        ${
          gone.value
            ? html`<${Icon} name="trash" size=${28} />`
            : html`<${Thumbnail} url=${image.thumb_url} onGone=${() => (gone.value = true)} />`
        }
        ${isSelected && html`<span class="tick"><${Icon} name="check" size=${16} /></span>`}
      </a>
    </div>
  `;
}

/**
 * The picture of a tile. One that has left the screen is not asked for any longer: those that were
 * passed in a hurry would be fetched before those that are looked at.
 */
function Thumbnail({ url, onGone }) {
  const image = useRef(null);
  useLayoutEffect(() => {
    const element = image.current;
    return () => element.removeAttribute("src");
  }, []);
  return html`<img ref=${image} src=${url} alt="" loading="lazy" decoding="async" onError=${onGone} />`;
}
