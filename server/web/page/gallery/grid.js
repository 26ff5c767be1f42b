// A grid of thumbnails of which only those on the screen exist.

import { html, useEffect, useLayoutEffect, useRef, useSignal } from "../lib/ui.js";
import { layoutOf, neighbour, windowOf } from "../pure/grid.js";
import { at, total, version, want } from "../state/gallery.js";
import { Tile } from "./tile.js";

const LEAST = { narrow: 104, wide: 176 };
const NARROW = 600;
const GAP = 8;

/** Where somebody was when they left the gallery. */
let left = 0;

export function Grid() {
  const element = useRef(null);
  const layout = useSignal(null);
  const screen = useSignal({ top: 0, height: 0 });
  const current = useSignal(0);
  version.value;

  useLayoutEffect(() => measure(element.current, layout, screen), []);

  const count = total.value ?? 0;
  const shown =
    layout.value && windowOf(layout.value, count, screen.value.top, screen.value.height);
  useEffect(() => {
    if (shown) want(shown.first, shown.end);
  });
  const back = useRef(left); // where to scroll to once the grid is as high as it was
  useLayoutEffect(() => {
    if (!shown) return;
    place(element.current, shown, layout.value);
    if (back.current === null || total.value === null) return;
    scrollTo(0, back.current);
    back.current = null;
  });

  const keyDown = (event) => {
    if (!/^(Arrow|Home$|End$)/.test(event.key) || !layout.value) return;
    event.preventDefault();
    current.value = neighbour(event.key, current.value, layout.value.columns, count);
    bring(element.current, layout.value, current.value);
  };
  const indices = shown
    ? Array.from({ length: shown.end - shown.first }, (_, i) => shown.first + i)
    : [];
  return html`
    <div class="grid" ref=${element} role="list" aria-label="Pictures" onKeyDown=${keyDown}>
      <div class="grid-window">
        ${indices.map((index) => {
          const image = at(index);
          return html`
            <${Tile}
              image=${image}
              index=${index}
              count=${count}
              current=${index === current.value || (index === shown.first && !inside(current.value, shown))}
              onFocus=${() => (current.value = index)}
              key=${image?.filename ?? index}
            />
          `;
        })}
      </div>
    </div>
  `;
}

const inside = (index, { first, end }) => index >= first && index < end;

/** Keep the layout and the screen's place known. What ends it. */
function measure(grid, layout, screen) {
  let asked = 0;
  const look = () => {
    asked = 0;
    left = scrollY;
    const top = Math.max(0, -grid.getBoundingClientRect().top);
    screen.value = { top, height: innerHeight };
  };
  const soon = () => {
    asked ||= requestAnimationFrame(look);
  };
  const observer = new ResizeObserver(([{ contentRect }]) => {
    const least = contentRect.width < NARROW ? LEAST.narrow : LEAST.wide;
    layout.value = layoutOf(contentRect.width, least, GAP);
    soon();
  });
  observer.observe(grid);
  addEventListener("scroll", soon, { passive: true });
  return () => {
    observer.disconnect();
    removeEventListener("scroll", soon);
    cancelAnimationFrame(asked);
  };
}

/** Through the style object: attributes in the markup would be refused. */
function place(grid, { above, height }, { columns, tile }) {
  grid.style.height = `${height}px`;
  grid.style.setProperty("--columns", columns);
  grid.style.setProperty("--tile", `${tile}px`);
  grid.firstElementChild.style.transform = `translateY(${above}px)`;
}

/** Scroll a tile onto the screen, and focus it once it exists. */
function bring(grid, { columns, row }, index) {
  const top = grid.getBoundingClientRect().top + scrollY + Math.floor(index / columns) * row;
  const margin = 120; // the bar, and the one at the bottom of phones
  if (top < scrollY + margin) scrollTo(0, top - margin);
  else if (top + row > scrollY + innerHeight - margin)
    scrollTo(0, top + row - innerHeight + margin);
  const focus = (tries) => {
    const tile = grid.querySelector(`[data-index="${index}"]`);
    if (tile) tile.focus({ preventScroll: true });
    else if (tries) requestAnimationFrame(() => focus(tries - 1));
  };
  requestAnimationFrame(() => focus(10));
}
