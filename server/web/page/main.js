// The page: looks who is there, then shows itself and follows what happens.

import { mount } from "./lib/ui.js";
import { Page } from "./shell.js";
import { lookUp } from "./state/session.js";
import { tell } from "./state/toasts.js";

/** Milliseconds between two tries. */
const PAUSE = 2000;

async function begin() {
  try {
    await lookUp();
  } catch (problem) {
    tell(problem.message, "error");
    setTimeout(begin, PAUSE);
  }
}

mount(Page, document.getElementById("page"));
begin();
