// What a reader can do with the page: sort and filter tables, point at dots of a map, open the objects of a confusion cell.
// Works from the page alone; without it the page is complete but still.
"use strict";

const UNLABELLED = { name: "unlabelled", colour: "rgb(120,120,120)", marker: "Circle" };
  const NO_CLASS = 255, NOWHERE = 65535, MOST_EXAMPLES = 60;

const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};
const byId = (id) => document.getElementById(id);
const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
const numbers16 = (base64) => new Uint16Array(bytes(base64).buffer);

// --- tables -------------------------------------------------------------------------------------------------------------

// The number that a cell begins with; a minus may be typographic.
const leading = (text) => parseFloat(text.replace("\u2212", "-"));

function sortBy(table, column, header) {
  const rising = header.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const text = (row) => row.cells[column]?.textContent ?? "";
  const order = (a, b) => {
    const [x, y] = [leading(text(a)), leading(text(b))];
    if (Number.isNaN(x) && Number.isNaN(y)) return rising ? text(a).localeCompare(text(b)) : text(b).localeCompare(text(a));
    // What is no number comes last either way.
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
    return rising ? x - y : y - x;
  };
  table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
}

function makeSortable(table) {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const button = element("button", { type: "button", title: "sort" }, ...header.childNodes);
    button.addEventListener("click", () => sortBy(table, column, header));
    header.append(button);
  });
}

function makeFilterable(table) {
  const input = element("input", { type: "search", placeholder: "filter rows", ariaLabel: "filter rows" });
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
  table.parentElement.prepend(input);
}

for (const table of document.querySelectorAll("main table")) {
  if (!table.tHead || table.tBodies[0].rows.length < 2) continue;
  makeSortable(table);
  if (table.tBodies[0].rows.length > 5) makeFilterable(table);
}

// --- objects ------------------------------------------------------------------------------------------------------------

function explore(data) {
  const truth = bytes(data.truth);
  const className = (number) => (number === NO_CLASS ? "none" : data.classes[number].name);
  const hidden = new Set();
  let map = null, judge = null;

  // Stamps: a bitmap is decoded when one of its tiles is first asked for.
  const stamps = data.stamps && { ...data.stamps, known: bytes(data.stamps.known), decoded: new Map() };

  function drawStamp(canvas, object) {
    const { side, channels, columns, perPage } = stamps;
    const page = Math.floor(object / perPage), place = object % perPage;
    const draw = (image) => {
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = false;
      const width = channels.length * side;
      const from = [(place % columns) * width, Math.floor(place / columns) * side, width, side];
      context.drawImage(image, ...from, 0, 0, canvas.width, canvas.height);
      canvas.dataset.drawn = "yes";
    };
    let image = stamps.decoded.get(page);
    if (!image) {
      image = element("img", { src: "data:image/png;base64," + stamps.pages[page] });
      stamps.decoded.set(page, image);
    }
    if (image.complete) draw(image);
    else image.addEventListener("load", () => draw(image));
  }

  function card(object, zoom) {
    const facts = [`${data.objects[object]}`, `true ${className(truth[object])}`];
    if (judge && judge.predicted[object] !== NO_CLASS) {
      const sure = Math.round((100 * judge.confidence[object]) / 255);
      facts.push(`called ${className(judge.predicted[object])} (${sure} %)`);
    }
    const box = element("figure", { className: "card" });
    box.dataset.object = object;
    if (stamps && stamps.known[object]) {
      const canvas = element("canvas", { width: stamps.channels.length * stamps.side * zoom, height: stamps.side * zoom });
      canvas.title = stamps.channels.join(", ");
      drawStamp(canvas, object);
      box.append(canvas);
    }
    box.append(element("figcaption", {}, ...facts.map((fact) => element("div", {}, fact)),
      element("div", { className: "candid" }, `candid ${data.candids[object]}`)));
    return box;
  }

  // --- map

  const canvas = byId("map"), MARGIN = 24;
  const at = (object) => {
    const [x, y] = [map.x[object], map.y[object]];
    if (x === NOWHERE || y === NOWHERE || hidden.has(truth[object])) return null;
    const share = (v) => v / (NOWHERE - 1);
    return [MARGIN + share(x) * (canvas.width - 2 * MARGIN), MARGIN + (1 - share(y)) * (canvas.height - 2 * MARGIN)];
  };

  function mark(context, marker, x, y, r) {
    context.beginPath();
    const polygon = (...points) => points.forEach(([dx, dy], i) => (i ? context.lineTo : context.moveTo).call(context, x + dx * r, y + dy * r));
    if (marker === "Circle") context.arc(x, y, r, 0, 7);
    else if (marker === "Square") context.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r);
    else if (marker === "Up") polygon([0, -1.2], [1.1, 0.9], [-1.1, 0.9]);
    else if (marker === "Down") polygon([0, 1.2], [1.1, -0.9], [-1.1, -0.9]);
    else if (marker === "Diamond") polygon([0, -1.3], [1.1, 0], [0, 1.3], [-1.1, 0]);
    else if (marker === "Plus") { context.rect(x - 1.1 * r, y - 0.3 * r, 2.2 * r, 0.6 * r); context.rect(x - 0.3 * r, y - 1.1 * r, 0.6 * r, 2.2 * r); }
    else polygon([-1, -0.6], [-0.6, -1], [0, -0.4], [0.6, -1], [1, -0.6], [0.4, 0], [1, 0.6], [0.6, 1], [0, 0.4], [-0.6, 1], [-1, 0.6], [-0.4, 0]);
    context.fill();
  }

  function drawMap(pointed = -1) {
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    const radius = data.objects.length > 3000 ? 3 : 5;
    let drawn = 0;
    for (let object = 0; object < data.objects.length; object++) {
      const place = at(object);
      if (!place) continue;
      const look = data.classes[truth[object]] ?? UNLABELLED;
      context.globalAlpha = 0.7;
      context.fillStyle = look.colour;
      mark(context, look.marker, ...place, radius);
      drawn++;
    }
    context.globalAlpha = 1;
    const place = pointed >= 0 && at(pointed);
    if (place) {
      context.lineWidth = 3;
      context.strokeStyle = getComputedStyle(document.body).color;
      context.beginPath();
      context.arc(...place, radius + 7, 0, 7);
      context.stroke();
    }
    canvas.dataset.drawn = drawn;
  }

  function nearest(event) {
    const box = canvas.getBoundingClientRect(), scale = canvas.width / box.width;
    const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    let best = -1, closest = (14 * scale) ** 2;
    for (let object = 0; object < data.objects.length; object++) {
      const place = at(object);
      if (!place) continue;
      const distance = (place[0] - x) ** 2 + (place[1] - y) ** 2;
      if (distance < closest) [best, closest] = [object, distance];
    }
    return best;
  }

  let pointed = -1;
  canvas.addEventListener("pointermove", (event) => {
    const object = nearest(event);
    if (object < 0 || object === pointed) return;
    pointed = object;
    byId("pointed").replaceChildren(card(object, 4));
    drawMap(object);
  });

  const looks = [...data.classes.entries(), [NO_CLASS, UNLABELLED]];
  looks.forEach(([number, look]) => {
    if (!truth.includes(number)) return;
    const button = element("button", { type: "button", ariaPressed: "true" });
    const symbol = element("canvas", { width: 24, height: 24, className: "symbol" });
    const context = symbol.getContext("2d");
    context.fillStyle = look.colour;
    mark(context, look.marker, 12, 12, 8);
    button.append(symbol, look.name);
    button.addEventListener("click", () => {
      if (!hidden.delete(number)) hidden.add(number);
      button.ariaPressed = String(!hidden.has(number));
      drawMap();
    });
    byId("legend").append(button);
  });

  // --- confusion

  function drawConfusion() {
    const used = data.classes.map((_, number) => number).filter((n) => truth.includes(n) || judge.predicted.includes(n));
    const cells = new Map();
    for (let object = 0; object < truth.length; object++) {
      if (truth[object] === NO_CLASS || judge.predicted[object] === NO_CLASS) continue;
      const cell = `${truth[object]} ${judge.predicted[object]}`;
      if (!cells.has(cell)) cells.set(cell, []);
      cells.get(cell).push(object);
    }
    const head = element("tr", {}, element("th", {}, "true \u2193 called \u2192"), ...used.map((n) => element("th", {}, className(n))));
    const body = element("tbody");
    for (const t of used) {
      const row = element("tr", {}, element("th", { scope: "row" }, className(t)));
      for (const p of used) {
        const objects = cells.get(`${t} ${p}`) ?? [];
        const button = element("button", { type: "button", disabled: !objects.length }, String(objects.length));
        button.dataset.cell = `${className(t)} ${className(p)}`;
        button.addEventListener("click", () => showExamples(t, p, objects));
        row.append(element("td", { className: t === p ? "right" : "" }, button));
      }
      body.append(row);
    }
    const caption = element("caption", {}, "Test objects by true and predicted class, first replicate: open a cell to see them.");
    byId("confusion").replaceChildren(element("table", { className: "confusion" }, caption, element("thead", {}, head), body));
    byId("examples").replaceChildren();
  }

  function showExamples(t, p, objects) {
    const surest = [...objects].sort((a, b) => judge.confidence[b] - judge.confidence[a]);
    const shown = surest.slice(0, MOST_EXAMPLES);
    const words = `${objects.length} objects of ${className(t)} called ${className(p)}, the surest first` +
      (shown.length < objects.length ? `; ${shown.length} are shown` : "");
    byId("examples").replaceChildren(element("p", {}, words), element("div", { className: "cards" }, ...shown.map((o) => card(o, 2))));
  }

  // --- choices

  function choices(id, list, choose) {
    const select = byId(`${id}-choice`);
    list.forEach((item, number) => select.append(element("option", { value: number }, `${item.arm}: ${item.stage}`)));
    select.addEventListener("change", () => choose(list[select.value]));
    byId(`${id}-label`).hidden = list.length === 0;
    if (list.length) choose(list[0]);
  }

  byId("explore").hidden = false;
  byId("map-panel").hidden = data.maps.length === 0;
  choices("map", data.maps, (chosen) => {
    map = { x: numbers16(chosen.x), y: numbers16(chosen.y) };
    const few = data.all > data.objects.length ? `, ${data.objects.length} of ${data.all}` : "";
    const centre = stamps && stamps.side < stamps.whole ? ` Of stamps the central ${stamps.side} of ${stamps.whole} pixels are shown.` : "";
    byId("map-note").textContent = `Test objects${few}, first replicate: ${chosen.note}. Colour: true class.${centre}`;
    drawMap();
  });
  choices("judge", data.judges, (chosen) => {
    judge = { predicted: bytes(chosen.predicted), confidence: bytes(chosen.confidence) };
    drawConfusion();
  });
}

if (byId("data") && byId("explore")) explore(JSON.parse(byId("data").textContent));
