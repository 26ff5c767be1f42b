// An image as a parameter: dropped, pasted, chosen from the disk or from the gallery.

import { classes, html, useEffect, useRef, useSignal } from "../lib/ui.js";
import { Button, IconButton } from "../parts/button.js";
import { openDialog } from "../parts/dialog.js";
import { Icon } from "../parts/icon.js";
import { edit, read, reset } from "../state/form.js";
import { tell } from "../state/toasts.js";
import { GalleryPicker } from "./gallery-picker.js";

const KINDS = ["image/png", "image/jpeg", "image/webp"];

/** A file as a data URI. */
function dataUri(file) {
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
  try {
    onImage(await dataUri(file));
  } catch {
    tell("The file cannot be read.", "error");
  }
}

/** Where to find what a request calls an image; null for the server's own copies. */
function sourceOf(value) {
  if (value.startsWith("data:")) return value;
  return value.startsWith("input:") ? null : `/api/thumbs/${encodeURIComponent(value)}`;
}

/** What an element needs that takes dropped pictures. `onImage` gets what a request calls one. */
function taking(over, onImage) {
  return {
    onDragOver(event) {
      event.preventDefault();
      over.value = true;
    },
    onDragLeave() {
      over.value = false;
    },
    onDrop(event) {
      event.preventDefault();
      over.value = false;
      const name = event.dataTransfer.getData("application/x-darkroom-image");
      if (name) onImage(name);
      else take(event.dataTransfer.files[0], onImage);
    },
  };
}

/** The place to put an image. `onImage` gets a data URI or the file name of a gallery image. */
export function ImageDrop({ id, label, invalid, described, onImage }) {
  const file = useRef(null);
  const over = useSignal(false);
  const choose = () => openDialog(GalleryPicker, { onChoose: ({ filename }) => onImage(filename) });
  const paste = (event) => take([...event.clipboardData.files][0], onImage);
  return html`
    <div
      class=${classes("drop", over.value && "over")}
      aria-invalid=${invalid}
      ...${taking(over, onImage)}
      onPaste=${paste}
    >
      <p><${Icon} name="image" /> Drop or paste a picture, or</p>
      <div class="drop-ways">
        <${Button} id=${id} ...${described} onClick=${() => file.current.click()}>Choose a file<//>
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

const UNSEEN = "This is no picture that can be shown, or it is gone.";
const KEPT = "The picture that the server has kept.";

/** An image that was given, and the way to be rid of it; another one may be dropped on it. */
export function ImageShown({ value, label, onRemove, onImage }) {
  const source = sourceOf(value);
  const broken = useSignal(null); // the source that could not be shown
  const over = useSignal(false);
  const isSeen = source !== null && broken.value !== source;
  return html`
    <div class=${classes("given", over.value && "over")} ...${taking(over, onImage)}>
      ${isSeen && html`<img src=${source} alt=${label} onError=${() => (broken.value = source)} />`}
      ${!isSeen && html`<p class="muted">${source === null ? KEPT : UNSEEN}</p>`}
      <${IconButton} icon="close" label=${`Remove ${label}`} onClick=${onRemove} />
    </div>
  `;
}

export function ImageField({ id, field, invalid, described }) {
  const value = read(field);
  const label = field.title;
  const onImage = (image) => edit(field.name, image);
  usePasteAnywhere(field);
  if (value) {
    const remove = () => reset(field.name);
    return html`<${ImageShown} value=${value} label=${label} onRemove=${remove} onImage=${onImage} />`;
  }
  const about = { id, label, invalid, described };
  return html`<${ImageDrop} ...${about} onImage=${onImage} />`;
}

/** A picture that is pasted or dropped where no other place asks for it becomes the start image. */
function usePasteAnywhere({ name }) {
  useEffect(() => {
    if (name !== "init_image") return undefined;
    const use = (target, files) => {
      const isElsewhere = target.closest?.(".drop, .given, dialog");
      if (files.length && !isElsewhere) take(files[0], (image) => edit(name, image));
    };
    const paste = ({ target, clipboardData }) => use(target, clipboardData.files);
    const drop = ({ target, dataTransfer }) => use(target, dataTransfer.files);
    document.addEventListener("paste", paste);
    document.addEventListener("drop", drop);
    return () => {
      document.removeEventListener("paste", paste);
      document.removeEventListener("drop", drop);
    };
  }, [name]);
}
