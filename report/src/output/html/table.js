// The table of hosts: a page of rows, its header, and how to turn the pages.

const table = { head: make("tr"), body: make("tbody"), status: make("p", { role: "status" }) };
table.caption = make("caption", { class: "away" }, "Hosts");
table.pager = make("div", { class: "bar-of-buttons", role: "group", "aria-label": "Pages" });

/** The hosts that are chosen, as of the last drawing. */
let found = [];

function drawHead() {
  table.head.replaceChildren(...columns.map((column) => {
    const isChosen = chosen.column === column.id;
    const sort = isChosen ? (chosen.descending ? "descending" : "ascending") : "none";
    const turn = () => {
      chosen.descending = chosen.column === column.id && !chosen.descending;
      chosen.column = column.id;
      draw(column.id);
    };
    return make("th", { scope: "col", class: column.style ?? "", "aria-sort": sort },
      make("button", { type: "button", click: turn, "data-column": column.id }, column.title));
  }));
}

function hostRow(host) {
  const id = `more-${host.place}`;
  const button = make("button", { type: "button", class: "host", "aria-expanded": "false" }, host.label);
  const row = make("tr", {}, ...columns.map((column) => {
    if (column.id === "host") {
      const name = host.name && host.addr ? [make("span", { class: "name" }, host.name)] : [];
      return make("th", { scope: "row" }, button, ...name);
    }
    if (column.id === "verdict") return make("td", {}, badge(host.outcome(chosen.policy).verdict));
    return make("td", { class: column.style ?? "" }, column.cell(host));
  }));
  button.addEventListener("click", () => {
    const isOpen = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) {
      button.removeAttribute("aria-controls");
      row.nextElementSibling.remove();
    } else {
      row.after(make("tr", { class: "more", id }, make("td", { colspan: columns.length }, hostPart(host))));
      button.setAttribute("aria-controls", id);
    }
  });
  return row;
}

function drawPager(pages) {
  const turn = (title, page, isOff) => make("button", {
    type: "button", disabled: isOff, click: () => { chosen.page = page; draw(title); }, "data-page": title,
  }, title);
  const { page } = chosen;
  table.pager.replaceChildren(
    turn("First", 0, page === 0), turn("Previous", page - 1, page === 0),
    make("span", {}, `Page ${count(page + 1)} of ${count(pages)}`),
    turn("Next", page + 1, page >= pages - 1), turn("Last", pages - 1, page >= pages - 1),
  );
}

/** Shows what is chosen. The control of this name keeps the focus. */
function draw(focused) {
  found = selected();
  const pages = Math.max(1, Math.ceil(found.length / chosen.size));
  chosen.page = Math.min(chosen.page, pages - 1);
  const from = chosen.page * chosen.size;
  const rows = found.slice(from, from + chosen.size);
  drawHead();
  table.body.replaceChildren(...rows.map(hostRow));
  drawPager(pages);
  const range = hosts.length === 0 ? "No host was seen" : rows.length === 0 ? "No row fits" : `Rows ${count(from + 1)} to ${count(from + rows.length)} of ${count(found.length)}`;
  const all = found.length < hosts.length ? `, chosen from ${count(hosts.length)}` : "";
  const measure = chosen.group >= 0 ? `, of one measure: ${groupTitle(chosen.group)}` : "";
  const left = data.left_out > 0 ? `; ${count(data.left_out)} more are in hosts.csv` : "";
  table.status.textContent = `${range}${all}${measure}${left}.`;
  const wanted = focused && (table.head.querySelector(`[data-column="${focused}"]`)
    ?? table.pager.querySelector(`[data-page="${focused}"]:enabled`) ?? table.pager.querySelector("button:enabled"));
  if (wanted) wanted.focus();
}

const groupTitle = (group) => {
  const heading = document.querySelector(`[data-group="${group}"] h3`);
  return heading ? heading.textContent.trim() : "";
};
