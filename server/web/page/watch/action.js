// What can be done about a job.

import { html } from "../lib/ui.js";
import { isLive } from "../pure/phase.js";
import { Button, IconButton } from "../parts/button.js";
import { cancel, forget } from "../state/jobs.js";
import { mayGenerate } from "../state/session.js";
import { trying } from "../state/toasts.js";

/** A job that lives is cancelled, one that has ended forgotten; its pictures stay. */
export function Action({ snapshot, title }) {
  if (!mayGenerate.value) return null;
  const { job_id: id } = snapshot;
  if (!isLive(snapshot)) {
    const act = () => trying(() => forget(id));
    return html`<${IconButton} icon="close" label=${`Forget: ${title}`} onClick=${act} />`;
  }
  const act = () => trying(() => cancel(id));
  return html`<${Button} icon="close" aria-label=${`Cancel: ${title}`} onClick=${act}>Cancel<//>`;
}
