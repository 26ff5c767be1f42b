// What is around every view: the bar, the messages, the image that is looked at.

import { GalleryView } from "./gallery/gallery.js";
import { Viewer } from "./gallery/viewer.js";
import { kept } from "./lib/kept.js";
import { effect, html, signal, untracked, useEffect, useLayoutEffect } from "./lib/ui.js";
import { Login } from "./login.js";
import { ServerView } from "./machine/machine.js";
import { MakeView } from "./make/make.js";
import { IconButton } from "./parts/button.js";
import { Dialogs } from "./parts/dialog.js";
import { Icon } from "./parts/icon.js";
import { Toasts } from "./parts/toasts.js";
import { phaseOf, titleOf } from "./pure/phase.js";
import { QueueView } from "./queue/queue.js";
import { forgetSchemas } from "./state/form.js";
import { begin as followGallery } from "./state/gallery.js";
import { begin as followJobs, entryOf, isOwn, live, online, whenEnded } from "./state/jobs.js";
import { refresh as refreshModels, refreshSoon } from "./state/models.js";
import { linkTo, looking, view, VIEWS } from "./state/route.js";
import { leave, locked, session } from "./state/session.js";
import { trying } from "./state/toasts.js";

const SHOWN = { make: MakeView, gallery: GalleryView, queue: QueueView, server: ServerView };
const TITLES = { make: "Make", gallery: "Gallery", queue: "Queue", server: "Server" };

const theme = kept("theme", "auto");
const NEXT_THEME = { auto: "light", light: "dark", dark: "auto" };

effect(() => {
  const root = document.documentElement;
  if (theme.value === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme.value;
});

// A job may have loaded its model, or have left the memory to another one's.
whenEnded(refreshSoon);

// The server that is back may be a newer one, with other models and other parameters.
effect(() => {
  if (!online.value) return;
  const anew = () => Promise.all([refreshModels(), forgetSchemas()]);
  untracked(() => trying(anew));
});

/** A file that is dropped beside its place must not replace the page. */
const stay = (event) => event.preventDefault();

effect(() => {
  const waiting = live.value.length;
  document.title = `${waiting ? `(${waiting}) ` : ""}${TITLES[view.value]} · Darkroom`;
});

/** The whole page. */
export function Page() {
  if (!session.value)
    return html`<p class="starting" role="status">Asking the server …</p><${Toasts} />`;
  if (locked.value) return html`<${Login} /><${Toasts} />`;
  return html`<${Inside} />`;
}

/** The page for those who may see it. */
function Inside() {
  useEffect(() => {
    trying(refreshModels);
    const ends = [followJobs(), followGallery()];
    document.addEventListener("dragover", stay);
    document.addEventListener("drop", stay);
    return () => {
      ends.forEach((end) => end());
      document.removeEventListener("dragover", stay);
      document.removeEventListener("drop", stay);
    };
  }, []);
  useLayoutEffect(() => {
    if (view.value !== "gallery") scrollTo(0, 0); // the gallery knows where it was
  }, [view.value]);
  const View = SHOWN[view.value];
  return html`
    <a class="skip" href="#main" onClick=${toContent}>Skip to the content</a>
    <header class="bar">
      <a class="brand" href=${linkTo("make")}>
        <img src="/static/pages/icon.svg" alt="" width="26" height="26" />Darkroom
      </a>
      <nav aria-label="Views">${VIEWS.map((name) => html`<${ViewLink} name=${name} key=${name} />`)}</nav>
      <div class="bar-end">
        ${session.value.name && html`<${Leave} />`}
        <${IconButton}
          icon=${theme.value}
          label=${`Theme: ${theme.value}. Change to ${NEXT_THEME[theme.value]}`}
          onClick=${() => (theme.value = NEXT_THEME[theme.value])}
        />
      </div>
    </header>
    <${Connection} />
    <${News} />
    <main id="main" tabindex="-1" aria-label=${TITLES[view.value]}><${View} /></main>
    ${looking.value && html`<${Viewer} />`}
    <${Dialogs} />
    <${Toasts} />
  `;
}

function ViewLink({ name }) {
  const count = name === "queue" ? live.value.length : 0;
  return html`
    <a href=${linkTo(name)} aria-current=${view.value === name ? "page" : null}>
      <${Icon} name=${name} /><span>${TITLES[name]}</span>
      ${count > 0 && html`<span class="count" aria-label=${`${count} jobs`}>${count}</span>`}
    </a>
  `;
}

function Leave() {
  const label = `Signed in as ${session.value.name}. Sign out`;
  return html`<${IconButton} icon="leave" label=${label} onClick=${() => trying(leave)} />`;
}

/** Said while the server cannot be reached. */
function Connection() {
  return html`
    <div class="connection" role="status">
      ${
        online.value === false &&
        html`<p><${Icon} name="warning" size=${18} /> The connection to the server is lost. Trying again …</p>`
      }
    </div>
  `;
}

/** What a screen reader says of the jobs that were asked for here. */
const news = signal("");

whenEnded((snapshot) => {
  if (!isOwn(snapshot.job_id)) return;
  const { params } = entryOf(snapshot.job_id).peek();
  news.value = `${phaseOf(snapshot)}: ${titleOf(snapshot, params)}`;
});

function News() {
  return html`<p class="unseen" role="status">${news.value}</p>`;
}

/** A link to #main would change which view is shown. */
function toContent(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}
