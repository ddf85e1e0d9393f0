// Drawn once a frame: no DOM and no layout. Nor can anything in it be selected, found or read aloud.
export function canvas(view) {
  const [width, height, row] = [view.list.clientWidth, view.list.clientHeight, 22];
  const sheet = document.createElement('canvas');
  view.list.replaceChildren(sheet);
  [sheet.width, sheet.height] = [width * devicePixelRatio, height * devicePixelRatio];
  sheet.style.width = `${width}px`;
  const pen = sheet.getContext('2d');
  pen.scale(devicePixelRatio, devicePixelRatio);
  pen.font = getComputedStyle(view.list).font;
  const room = Math.floor(height / row) - 1; // the first row is the counter's and the bar's
  let [lines, queue] = [[], []];
  return (updates) => {
    if (queue.length === 0) requestAnimationFrame(draw);
    queue.push(...updates);
  };

  function draw() {
    const shown = queue.slice(-room);
    for (const update of queue.slice(0, -room)) view.superseded(update); // newer ones have its row
    queue = [];
    lines = [...lines, ...shown.map((update) => view.text(update))].slice(-room);
    pen.clearRect(0, 0, width, height);
    pen.fillText(view.total(shown.at(-1)), 6, row - 6);
    pen.fillRect(80, 4, (width - 80) * shown.at(-1).value / 100, row - 8);
    lines.forEach((line, i) => pen.fillText(line, 6, (lines.length - i + 1) * row - 6));
    view.wrote(shown, { inFrame: true });
  }
}
