// How an image was made, and what can be done with it.

import { html } from "../lib/ui.js";
import { bytes, took } from "../pure/format.js";
import { rowsOf } from "../pure/recipe.js";
import { Button } from "../parts/button.js";
import { adopt, beginWith } from "../state/form.js";
import { choose, models } from "../state/models.js";
import { leaveFor } from "../state/route.js";
import { mayManage } from "../state/session.js";
import { tell, trying } from "../state/toasts.js";
import { save } from "./selection.js";

export function Recipe({ filename, image, onErase }) {
  return html`
    ${image ? html`<${About} image=${image} />` : html`<p class="muted">${filename}</p>`}
    <div class="viewer-actions">
      ${image && html`<${Reuse} image=${image} />`}
      <${Button} icon="download" onClick=${() => save([filename])}>Download<//>
      ${
        mayManage.value && html`<${Button} kind="danger" icon="trash" onClick=${onErase}>Delete<//>`
      }
    </div>
  `;
}

function About({ image }) {
  const model = models.value.find(({ id }) => id === image.model);
  return html`
    <h2 class="viewer-prompt">${image.prompt || "Without words"}</h2>
    <dl class="recipe">
      <div><dt>Model</dt><dd>${model?.title ?? image.model}</dd></div>
      <div><dt>Size</dt><dd>${image.width} × ${image.height}, ${bytes(image.size)}</dd></div>
      ${rowsOf(image).map(
        ([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`,
      )}
      <div>
        <dt>Made</dt>
        <dd>${new Date(image.created_at).toLocaleString()}, in ${took(image.seconds)}</dd>
      </div>
    </dl>
  `;
}

function Reuse({ image }) {
  const use = async () => {
    if (await trying(() => adopt(image))) toForm("Its settings are in the form.");
  };
  const begin = () => {
    beginWith(image);
    toForm("It is the start image of the next picture.");
  };
  const enlarger = models.value.find(({ capabilities }) => capabilities.includes("upscale"));
  const enlarge = () => {
    choose(enlarger.id);
    beginWith(image);
    toForm("Choose how large it becomes.");
  };
  return html`
    <${Button} kind="primary" icon="reuse" onClick=${use}>Use these settings<//>
    <${Button} icon="image" onClick=${begin}>Use as start image<//>
    ${enlarger && html`<${Button} icon="up" onClick=${enlarge}>Enlarge<//>`}
    ${image.prompt && html`<${Button} icon="copy" onClick=${() => copy(image.prompt)}>Copy prompt<//>`}
  `;
}

function toForm(text) {
  leaveFor("make");
  tell(text);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    tell("The prompt is copied.");
  } catch {
    tell(
      "The browser lets pages copy over https and on this machine only. Select the text instead.",
      "error",
    );
  }
}
