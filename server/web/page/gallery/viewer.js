// One image, large: over whatever view is below it.

import { html, untracked, useEffect, useRef, useSignal, useSignalEffect } from "../lib/ui.js";
import { IconButton } from "../parts/button.js";
import { version } from "../state/gallery.js";
import { close, look, looking } from "../state/route.js";
import { beside, isBeside, recordOf, wantBeside } from "./beside.js";
import { Recipe } from "./recipe.js";
import { eraseConfirmed } from "./selection.js";

/** Pixels a finger must go for the next image. */
const SWIPE = 60;

export function Viewer() {
  const element = useRef(null);
  const record = useRecord();
  version.value; // what is beside it may have come meanwhile
  const filename = looking.value;
  useEffect(() => {
    const before = document.activeElement;
    element.current.showModal();
    return () => before?.isConnected && before.focus({ preventScroll: true });
  }, []);
  useArrows(step);

  const cancel = (event) => {
    event.preventDefault();
    close();
  };
  return html`
    <dialog ref=${element} class="viewer" aria-label="Picture" onCancel=${cancel}>
      <${Stage} filename=${filename} alt=${record.value?.prompt || filename} />
      <aside class="viewer-side" aria-label="About the picture">
        <${IconButton} class="viewer-close" icon="close" label="Close" onClick=${close} />
        <${Recipe} filename=${filename} image=${record.value} onErase=${erase} />
      </aside>
    </dialog>
  `;
}

/** The record of the image that is looked at, as soon as anything has it; null until then. */
function useRecord() {
  const record = useSignal(null);
  useSignalEffect(() => {
    version.value;
    const filename = looking.value;
    if (!filename) return;
    wantBeside(filename);
    if (wish) untracked(() => step(wish));
    if (record.peek()?.filename === filename) return;
    record.value = null;
    recordOf(filename).then(
      (found) => filename === looking.peek() && (record.value = found),
      () => {}, // its job is forgotten, and the list does not have it (yet): no recipe to show
    );
  });
  return record;
}

let wish = 0; // a step to an image that is on its way

function step(by) {
  const next = beside(looking.peek(), by);
  wish = next || !isBeside(looking.peek(), by) ? 0 : by;
  if (!next) return;
  wantBeside(next); // while the list knows where it is
  look(next);
}

/** Once it is deleted, the next one is looked at. */
async function erase() {
  const filename = looking.peek();
  const next = beside(filename, 1) ?? beside(filename, -1);
  if (!(await eraseConfirmed([filename]))) return;
  if (next) look(next);
  else close();
}

/** Arrow keys, wherever the focus is, unless a question stands above the image. */
function useArrows(step) {
  useEffect(() => {
    const keyDown = ({ key }) => {
      if (document.querySelectorAll("dialog[open]").length > 1) return;
      if (key === "ArrowLeft") step(-1);
      if (key === "ArrowRight") step(1);
    };
    document.addEventListener("keydown", keyDown);
    return () => document.removeEventListener("keydown", keyDown);
  }, []);
}

/** The image, the buttons beside it, and fingers that swipe. */
function Stage({ filename, alt }) {
  const begun = useRef(null);
  const missing = useSignal(null); // the name of an image that cannot be had
  const begin = (event) => {
    if (event.pointerType !== "mouse") begun.current = event.clientX;
  };
  const end = (event) => {
    const across = event.clientX - (begun.current ?? event.clientX);
    if (Math.abs(across) > SWIPE) step(across > 0 ? -1 : 1);
    begun.current = null;
  };
  const drop = () => (begun.current = null);
  return html`
    <div class="viewer-stage" onPointerDown=${begin} onPointerUp=${end} onPointerCancel=${drop}>
      ${
        missing.value === filename
          ? html`<p class="muted" role="alert">There is no such picture, or it was deleted.</p>`
          : html`<img
            src=${`/api/images/${encodeURIComponent(filename)}`}
            alt=${alt}
            draggable=${false}
            onError=${() => (missing.value = filename)}
            key=${filename}
          />`
      }
      <${Step} by=${-1} label="Newer" place="before" icon="left" filename=${filename} />
      <${Step} by=${1} label="Older" place="after" icon="right" filename=${filename} />
    </div>
  `;
}

/** Not `disabled` where there is no more: that would take the focus away from who presses it. */
function Step({ by, label, place, icon, filename }) {
  version.value;
  return html`
    <${IconButton}
      class=${place}
      icon=${icon}
      label=${label}
      aria-disabled=${!isBeside(filename, by)}
      onClick=${() => step(by)}
    />
  `;
}
