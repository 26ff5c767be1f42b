// Which tiles of a grid of ten thousand are on the screen. Pure.

/** Rows above and below the screen that are there already when somebody scrolls. */
const SPARE_ROWS = 3;

/**
 * @param {number} width pixels the grid has.
 * @param {number} least pixels a tile must have.
 * @param {number} gap pixels between tiles.
 * @returns {{columns: number, tile: number, row: number}} `tile` its edge, `row` with the gap.
 */
export function layoutOf(width, least, gap) {
  const columns = Math.max(2, Math.floor((width + gap) / (least + gap)));
  const tile = Math.max(1, Math.floor((width - gap * (columns - 1)) / columns));
  return { columns, tile, row: tile + gap };
}

/**
 * The images to show: from `first` up to but not including `end`, and the pixels above them.
 *
 * @param {number} top pixels of the grid that are scrolled away.
 * @param {number} height pixels of the screen.
 */
export function windowOf({ columns, row }, count, top, height) {
  const rows = Math.ceil(count / columns);
  const firstRow = clamp(Math.floor(top / row) - SPARE_ROWS, 0, Math.max(0, rows - 1));
  const endRow = clamp(Math.ceil((top + height) / row) + SPARE_ROWS, firstRow, rows);
  return {
    first: firstRow * columns,
    end: Math.min(endRow * columns, count),
    above: firstRow * row,
    height: rows * row,
  };
}

/** The index that an arrow key leads to from another. */
export function neighbour(key, index, columns, count) {
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  const next = index + (steps[key] ?? 0);
  return next < 0 || next >= count ? index : next;
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
