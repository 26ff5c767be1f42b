// One job: its picture so far, how far it is, and what can be done about it.

import { html, useEffect, useSignal } from "../lib/ui.js";
import { ago } from "../pure/format.js";
import { isLive, leftOf, phaseOf, shareOf, titleOf } from "../pure/phase.js";
import { Icon } from "../parts/icon.js";
import { Progress } from "../parts/progress.js";
import { detail, entryOf, now } from "../state/jobs.js";
import { models } from "../state/models.js";
import { look, meansNewTab } from "../state/route.js";
import { CardAction } from "./action.js";

export function Card({ id }) {
  const { snapshot, at, params } = entryOf(id).value;
  useEffect(() => {
    // The stream does not tell what was asked for. Without it the card has no words, and works.
    detail(id).catch(() => {});
  }, [id]);
  const isDownload = snapshot.kind === "download";
  const title = titleOf(snapshot, params);
  const running = isLive(snapshot);
  return html`
    <article class="card" data-status=${snapshot.status} data-job=${id} aria-label=${title}>
      ${!isDownload && html`<${Pictures} snapshot=${snapshot} params=${params} title=${title} />`}
      <div class="card-text">
        <p class="card-title" title=${title}>${title}</p>
        <p class="card-phase">
          <span>${phaseOf(snapshot)}</span>
          <span class="muted">
            ${running ? leftOf(snapshot, now.value - at) : ago(endOf(snapshot), now.value)}
          </span>
        </p>
        ${running && html`<${Progress} share=${shareOf(snapshot)} label=${`Progress: ${title}`} />`}
        ${snapshot.error && html`<${Failure} error=${snapshot.error} />`}
        ${snapshot.warnings.map((warning) => html`<p class="warning">${warning}</p>`)}
        <p class="card-end muted">
          <span>${modelTitle(snapshot.model)}</span>
          <${CardAction} snapshot=${snapshot} title=${title} />
        </p>
      </div>
    </article>
  `;
}

const endOf = ({ finished_at: end, created_at: beginning }) => end ?? beginning;

/** What is finished, and what develops beside it. */
function Pictures({ snapshot, params, title }) {
  const { images, preview, num_images: count } = snapshot;
  const developing = isLive(snapshot) && images.length < count;
  if (!developing && !images.length) {
    const isDeleted = snapshot.status === "completed";
    return isDeleted && html`<p class="card-gone muted">Its picture was deleted.</p>`;
  }
  const shape = `${params?.width ?? 1} / ${params?.height ?? 1}`;
  return html`
    <div class="card-pictures" data-count=${Math.min(images.length + (developing ? 1 : 0), 3)}>
      ${images.map((image) => html`<${Finished} image=${image} key=${image.filename} />`)}
      ${developing && html`<${Developing} preview=${preview} shape=${shape} title=${title} />`}
    </div>
  `;
}

function Finished({ image }) {
  const gone = useSignal(false);
  if (gone.value) return html`<p class="card-gone muted">This picture was deleted.</p>`;
  const open = (event) => {
    if (meansNewTab(event)) return;
    event.preventDefault();
    look(image.filename);
  };
  return html`
    <a class="picture" href=${`#/make/${image.filename}`} onClick=${open}>
      <img
        src=${image.url}
        alt=${image.prompt || image.filename}
        width=${image.width}
        height=${image.height}
        onError=${() => (gone.value = true)}
      />
    </a>
  `;
}

function Developing({ preview, shape, title }) {
  return html`
    <div class="picture developing" style=${{ aspectRatio: shape }}>
      ${
        preview
          ? html`<img src=${preview} alt=${`Preview: ${title}`} />`
          : html`<${Icon} name="image" size=${32} />`
      }
    </div>
  `;
}

/** What went wrong and what to do about it, which the server says; the code for those who ask. */
function Failure({ error }) {
  return html`
    <p class="error" role="alert">
      ${error.message} <a href=${`/docs/errors#${error.code}`} target="_blank"><code>${error.code}</code></a>
    </p>
  `;
}

function modelTitle(model) {
  return models.value.find(({ id }) => id === model)?.title ?? model ?? "";
}
