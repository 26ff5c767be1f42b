// A dialog to choose an image of the gallery from.

import { get } from "../lib/api.js";
import { html, useEffect, useSignal } from "../lib/ui.js";
import { Button } from "../parts/button.js";
import { Dialog } from "../parts/dialog.js";
import { trying } from "../state/toasts.js";

const SIZE = 60;

export function GalleryPicker({ onClose, onChoose }) {
  const images = useSignal(null);
  const cursor = useSignal(null);
  const words = useSignal("");

  const ask = (after) =>
    trying(async () => {
      const q = words.value;
      const page = await get("/api/images", { limit: SIZE, q, ...(after && { cursor: after }) });
      if (q !== words.value || (after && after !== cursor.value)) return; // too late, or twice
      images.value = after ? [...images.value, ...page.images] : page.images;
      cursor.value = page.next_cursor;
    });

  useEffect(() => {
    ask();
  }, []);

  const take = (image) => {
    onChoose(image);
    onClose();
  };
  const footer = cursor.value && html`<${Button} onClick=${() => ask(cursor.value)}>Show more<//>`;
  return html`
    <${Dialog} title="Choose a picture" onClose=${onClose} footer=${footer} wide>
      <input
        type="search"
        aria-label="Search the gallery"
        placeholder="Words of its prompt"
        onInput=${(event) => {
          words.value = event.target.value;
          ask();
        }}
      />
      ${images.value?.length === 0 && html`<p class="muted">There is no such picture.</p>`}
      <ul class="choices">
        ${(images.value ?? []).map(
          (image) => html`
            <li key=${image.filename}>
              <button type="button" title=${image.prompt} onClick=${() => take(image)}>
                <img src=${image.thumb_url} alt=${image.prompt || image.filename} loading="lazy" />
              </button>
            </li>
          `,
        )}
      </ul>
    <//>
  `;
}
