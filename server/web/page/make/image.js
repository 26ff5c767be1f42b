// An image as a parameter: dropped, pasted, chosen from the disk or from the gallery.

import { classes, html, useRef, useSignal, useSignalEffect } from "../lib/ui.js";
import { Button, IconButton } from "../parts/button.js";
import { openDialog } from "../parts/dialog.js";
import { Icon } from "../parts/icon.js";
import { edit, read, reset } from "../state/form.js";
import { tell } from "../state/toasts.js";
import { GalleryPicker } from "./gallery-picker.js";

const KINDS = ["image/png", "image/jpeg", "image/webp"];

/** A file as a data URI. */
export function dataUri(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

/** Hand a dropped or chosen file on as a data URI, or say why not. */
async function take(file, onImage) {
  if (!file) return;
  if (!KINDS.includes(file.type)) {
    tell("This is no PNG, JPEG or WebP picture.", "error");
    return;
  }
  onImage(await dataUri(file));
}

/** Where to find what a request calls an image; null for the server's own copies. */
export function sourceOf(value) {
  if (value.startsWith("data:")) return value;
  return value.startsWith("input:") ? null : `/api/thumbs/${value}`;
}

/** The place to put an image. `onImage` gets a data URI or the file name of a gallery image. */
export function ImageDrop({ id, label, invalid, described, onImage }) {
  const file = useRef(null);
  const over = useSignal(false);
  const drop = (event) => {
    event.preventDefault();
    over.value = false;
    const name = event.dataTransfer.getData("application/x-darkroom-image");
    if (name) onImage(name);
    else take(event.dataTransfer.files[0], onImage);
  };
  const choose = () => openDialog(GalleryPicker, { onChoose: ({ filename }) => onImage(filename) });
  const paste = (event) => take([...event.clipboardData.files][0], onImage);
  return html`
    <div
      class=${classes("drop", over.value && "over")}
      onDragOver=${(event) => {
        event.preventDefault();
        over.value = true;
      }}
      onDragLeave=${() => (over.value = false)}
      onDrop=${drop}
      onPaste=${paste}
    >
      <p><${Icon} name="image" /> Drop or paste a picture, or</p>
      <div class="drop-ways">
        <${Button} id=${id} aria-invalid=${invalid} ...${described} onClick=${() => file.current.click()}>
          Choose a file
        <//>
        <${Button} icon="gallery" onClick=${choose}>From the gallery<//>
      </div>
      <input
        ref=${file}
        type="file"
        accept=${KINDS.join(",")}
        aria-label=${`${label}: file`}
        hidden
        onChange=${(event) => take(event.target.files[0], onImage)}
      />
    </div>
  `;
}

/** An image that was given, and the way to be rid of it. */
export function ImageShown({ value, label, onRemove }) {
  const source = sourceOf(value);
  const broken = useSignal(false);
  return html`
    <div class="given">
      ${
        source && !broken.value
          ? html`<img src=${source} alt=${label} onError=${() => (broken.value = true)} />`
          : html`<p class="muted">The picture that the server has kept</p>`
      }
      <${IconButton} icon="close" label=${`Remove ${label}`} onClick=${onRemove} />
    </div>
  `;
}

export function ImageField({ id, field, invalid, described }) {
  const value = read(field);
  usePasteAnywhere(field);
  if (value) {
    return html`<${ImageShown} value=${value} label=${field.title} onRemove=${() => reset(field.name)} />`;
  }
  return html`
    <${ImageDrop}
      id=${id}
      label=${field.title}
      invalid=${invalid}
      described=${described}
      onImage=${(image) => edit(field.name, image)}
    />
  `;
}

/** A picture that is pasted while no other place asks for it becomes the start image. */
function usePasteAnywhere(field) {
  useSignalEffect(() => {
    if (field.name !== "init_image") return undefined;
    const choose = () =>
      openDialog(GalleryPicker, { onChoose: ({ filename }) => onImage(filename) });
    const paste = (event) => {
      const [pasted] = event.clipboardData.files;
      const elsewhere = event.target.closest?.(".drop, dialog");
      if (pasted && !elsewhere) take(pasted, (image) => edit(field.name, image));
    };
    document.addEventListener("paste", paste);
    return () => document.removeEventListener("paste", paste);
  });
}
