// One image, large: over whatever view is below it.

import { get } from "../lib/api.js";
import { html, useEffect, useRef, useSignal, useSignalEffect } from "../lib/ui.js";
import { IconButton } from "../parts/button.js";
import { at, indexOf, total, version, want } from "../state/gallery.js";
import { entryOf } from "../state/jobs.js";
import { close, look, looking, view } from "../state/route.js";
import { Recipe } from "./recipe.js";
import { eraseConfirmed } from "./selection.js";

/** Pixels a finger must go for the next image. */
const SWIPE = 60;

/** An image's record: from the list that is open, else from its job. Null: it is not to be had. */
async function recordOf(filename) {
  const index = indexOf(filename);
  if (index >= 0) return at(index);
  const jobId = filename.replace(/_\d+\.png$/, "");
  const snapshot = entryOf(jobId)?.peek().snapshot ?? (await get(`/api/jobs/${jobId}`));
  return snapshot.images.find((image) => image.filename === filename) ?? null;
}

/** The names beside an image: in the gallery those of the list, else those of its job. */
function beside(filename, step) {
  if (view.value === "gallery") {
    const index = indexOf(filename);
    if (index < 0) return null;
    want(Math.max(0, index + step), Math.min(index + step + 1, total.value));
    return at(index + step)?.filename ?? null;
  }
  const images = entryOf(filename.replace(/_\d+\.png$/, ""))?.value.snapshot.images ?? [];
  const place = images.findIndex((image) => image.filename === filename);
  return images[place + step]?.filename ?? null;
}

export function Viewer() {
  const element = useRef(null);
  const record = useSignal(null);
  const begun = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    element.current.showModal();
    return () => before?.isConnected && before.focus({ preventScroll: true });
  }, []);
  useSignalEffect(() => {
    const filename = looking.value;
    if (!filename) return;
    record.value = null;
    recordOf(filename).then(
      (found) => filename === looking.peek() && (record.value = found),
      () => {}, // its job is forgotten: the image is shown without its recipe
    );
  });

  version.value; // what is beside it may have come meanwhile
  const filename = looking.value;
  const step = (by) => {
    const next = beside(filename, by);
    if (next) look(next);
  };
  /** Once it is deleted, the next one is looked at. */
  const erase = async () => {
    const next = beside(filename, 1) ?? beside(filename, -1);
    if (!(await eraseConfirmed([filename]))) return;
    if (next) look(next);
    else close();
  };
  const keyDown = (event) => {
    if (event.target.matches("input, textarea, select")) return;
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  };
  const swipe = (event) => {
    const across = event.clientX - (begun.current ?? event.clientX);
    if (Math.abs(across) > SWIPE) step(across > 0 ? -1 : 1);
    begun.current = null;
  };
  const alt = record.value?.prompt || filename;
  return html`
    <dialog
      ref=${element}
      class="viewer"
      aria-label="Picture"
      onKeyDown=${keyDown}
      onCancel=${(event) => {
        event.preventDefault();
        close();
      }}
    >
      <div
        class="viewer-stage"
        onPointerDown=${(event) => event.pointerType !== "mouse" && (begun.current = event.clientX)}
        onPointerUp=${swipe}
        onPointerCancel=${() => (begun.current = null)}
      >
        <img src=${`/api/images/${filename}`} alt=${alt} draggable=${false} key=${filename} />
        <${IconButton}
          class="before"
          icon="left"
          label="Newer"
          disabled=${!beside(filename, -1)}
          onClick=${() => step(-1)}
        />
        <${IconButton}
          class="after"
          icon="right"
          label="Older"
          disabled=${!beside(filename, 1)}
          onClick=${() => step(1)}
        />
      </div>
      <aside class="viewer-side" aria-label="About the picture">
        <${IconButton} class="viewer-close" icon="close" label="Close" onClick=${close} />
        <${Recipe} filename=${filename} image=${record.value} onErase=${erase} />
      </aside>
    </dialog>
  `;
}
