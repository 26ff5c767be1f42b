// Dialogs: the browser's own, which keeps the focus inside and closes with Escape.

import { classes, html, signal, useEffect, useId, useRef } from "../lib/ui.js";
import { Button, IconButton } from "./button.js";

/** A dialog that is open as long as it is shown. `onClose` must end that. */
export function Dialog({ title, onClose, wide = false, children, footer }) {
  const element = useRef(null);
  const heading = useId();
  useEffect(() => {
    const before = document.activeElement;
    element.current.showModal();
    return () => before?.isConnected && before.focus({ preventScroll: true });
  }, []);
  const outside = (event) => event.target === element.current && onClose();
  return html`
    <dialog
      ref=${element}
      class=${classes("dialog", wide && "wide")}
      aria-labelledby=${heading}
      onCancel=${(event) => {
        event.preventDefault();
        onClose();
      }}
      onPointerDown=${outside}
    >
      <div class="dialog-inside">
        <header>
          <h2 id=${heading}>${title}</h2>
          <${IconButton} icon="close" label="Close" onClick=${onClose} />
        </header>
        <div class="dialog-body">${children}</div>
        ${footer && html`<footer>${footer}</footer>`}
      </div>
    </dialog>
  `;
}

/** The dialogs that are open, as [{Content, props, onClose}]. */
const open = signal([]);

/**
 * Open a dialog: a component that shows a `Dialog`, with `onClose` among its properties.
 *
 * They all stand at the end of the page: one within a form would send it with every Enter.
 */
export function openDialog(Content, props = {}) {
  const entry = { Content, props };
  entry.onClose = () => {
    open.value = open.value.filter((each) => each !== entry);
    props.onClose?.();
  };
  open.value = [...open.value, entry];
}

/** Where dialogs are shown. */
export function Dialogs() {
  return open.value.map(
    ({ Content, props, onClose }) => html`<${Content} ...${props} onClose=${onClose} />`,
  );
}

/** Ask before something that cannot be undone. Whether the answer was yes. */
export function confirmed({ title, text, action, icon = "trash", kind = "danger" }) {
  return new Promise((resolve) => {
    // Closed without an answer, it is no; what was resolved first counts.
    const onClose = () => resolve(false);
    openDialog(Question, { title, text, action, icon, kind, resolve, onClose });
  });
}

function Question({ title, text, action, icon, kind, resolve, onClose }) {
  const yes = () => {
    resolve(true);
    onClose();
  };
  const footer = html`
    <${Button} onClick=${onClose} autofocus>No<//>
    <${Button} kind=${kind} icon=${icon} onClick=${yes}>${action}<//>
  `;
  return html`<${Dialog} title=${title} onClose=${onClose} footer=${footer}><p>${text}</p><//>`;
}
