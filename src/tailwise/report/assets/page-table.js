// The comparison table: sorted by a column, filtered by method and recipe, with the metrics that one wants.

function startTable() {
  const table = byId("table");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  let sorted = null;

  /** What a row is sorted by; rows without a value come last either way. */
  const keyOf = (row, column) => {
    if (column === "method" || column === "recipe") return row.dataset[column];
    const cell = [...row.cells].find((one) => one.dataset.metric === column);
    return cell?.dataset.value === undefined ? null : Number(cell.dataset.value);
  };

  function sort(column, direction) {
    sorted = { column, direction };
    const sign = direction === "ascending" ? 1 : -1;
    const compare = new Intl.Collator(undefined, { numeric: true }).compare;
    const keyed = rows.map((row, place) => ({ row, place, key: keyOf(row, column) }));
    keyed.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null) || a.place - b.place;
      return sign * (typeof a.key === "string" ? compare(a.key, b.key) : a.key - b.key) || a.place - b.place;
    });
    body.append(...keyed.map(({ row }) => row));
    for (const head of heads) head.setAttribute("aria-sort", head.dataset.column === column ? direction : "none");
  }

  for (const head of heads) {
    const column = head.dataset.column;
    const first = head.dataset.best === "high" ? "descending" : "ascending"; // the best first, or from A on
    const other = first === "descending" ? "ascending" : "descending";
    const button = element("button", { type: "button", on: { click: () =>
      sort(column, sorted?.column === column && sorted.direction === first ? other : first) } }, ...head.childNodes);
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
  }

  function filter() {
    const wanted = byId("table-filter").value.trim().toLowerCase();
    const recipe = byId("table-recipe")?.value || "";
    for (const row of rows) {
      row.hidden = !row.dataset.method.toLowerCase().includes(wanted) || (recipe !== "" && row.dataset.recipe !== recipe);
    }
    const shown = rows.filter((row) => !row.hidden).length;
    byId("table-status").textContent = shown < rows.length ? `${shown} of ${rows.length} rows` : "";
  }

  byId("table-filter").addEventListener("input", filter);
  byId("table-recipe")?.addEventListener("change", filter);
  byId("table-p").addEventListener("change", (event) => table.classList.toggle("with-p", event.target.checked));
  for (const box of document.querySelectorAll("#table-controls [data-metric]")) {
    box.addEventListener("change", () => {
      const metric = box.dataset.metric;
      heads.find((head) => head.dataset.column === metric).hidden = !box.checked;
      for (const row of rows) for (const cell of row.cells) if (cell.dataset.metric === metric) cell.hidden = !box.checked;
    });
  }
  byId("table-controls").hidden = false;
}

function startCopying() {
  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = false;
    const say = (text) => { button.nextElementSibling.textContent = text; };
    button.addEventListener("click", async () => {
      const commands = [...byId(button.dataset.copies).querySelectorAll("code")].map((code) => code.textContent);
      const text = commands.join("\n") + "\n";
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        // A page from a file has no clipboard of its own in every browser; the selection's has always been there.
        const area = element("textarea", { "aria-hidden": "true", class: "unseen" });
        area.value = text;
        document.body.append(area);
        area.select();
        const copied = document.execCommand("copy");
        area.remove();
        button.focus();
        if (!copied) return say("This browser does not let a page copy; select the text.");
      }
      return say(`${commands.length} copied`);
    });
  }
}
