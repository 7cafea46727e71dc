// A reader for the tests: sorts, filters, points, opens, and says what it saw.
"use strict";
(() => {
  const errors = [];
  addEventListener("error", (event) => errors.push(String(event.message)));
  const seen = { errors };

  const map = document.getElementById("map");
  seen.dots = Number(map.dataset.drawn);

  // A table of several rows with numbers in its third column.
  const table = [...document.querySelectorAll("main table")].find((t) => t.tHead && t.tBodies[0].rows.length > 5 && t.querySelector("th button"));
  if (table) {
    const rows = [...table.tBodies[0].rows];
    const column = [...rows[0].cells].findIndex((cell) => /^[\d.]/.test(cell.textContent));
    const values = () => [...table.tBodies[0].rows].map((row) => parseFloat(row.cells[column].textContent)).filter((v) => !Number.isNaN(v));
    const button = table.tHead.rows[0].cells[column].querySelector("button");
    button.click();
    seen.rising = values();
    button.click();
    seen.falling = values();
    const word = rows[0].cells[0].textContent.toLowerCase();
    const input = table.parentElement.querySelector("input");
    input.value = word;
    input.dispatchEvent(new Event("input"));
    seen.rows = rows.length;
    seen.rowsWithWord = rows.filter((row) => row.textContent.toLowerCase().includes(word)).length;
    seen.visible = rows.filter((row) => !row.hidden).length;
  }

  // Points along a diagonal until a dot is near.
  const box = map.getBoundingClientRect();
  for (let share = 0.2; share < 0.9 && !document.querySelector("#pointed .card"); share += 0.01) {
    const [clientX, clientY] = [box.left + share * box.width, box.top + (1 - share) * box.height];
    map.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY }));
  }
  const card = document.querySelector("#pointed .card");
  seen.pointed = card ? card.textContent : "";
  const data = JSON.parse(document.getElementById("data").textContent);
  if (card) {
    const truth = Uint8Array.from(atob(data.truth), (c) => c.charCodeAt(0))[Number(card.dataset.object)];
    seen.pointedClass = /true (\S+?)called/.exec(card.textContent)[1];
    seen.pointedTruth = data.classes[truth].name;
  }

  const cell = [...document.querySelectorAll(".confusion td:not(.right) button:not(:disabled)")][0];
  if (cell) {
    cell.click();
    seen.cell = Number(cell.textContent);
    const cards = [...document.querySelectorAll("#examples .card")];
    seen.cards = cards.length;
    seen.cellTruths = new Set(cards.map((c) => /true (\S+?)called/.exec(c.textContent)[1])).size;
  }
  document.querySelector("#legend button").click();
  seen.afterHiding = Number(map.dataset.drawn);

  // Bitmaps are decoded in their own time.
  setTimeout(() => {
    seen.stampsDrawn = document.querySelectorAll("#examples canvas[data-drawn=yes]").length;
    const pre = document.createElement("pre");
    pre.id = "seen";
    pre.textContent = JSON.stringify(seen);
    document.body.append(pre);
  }, 3000);
})();
