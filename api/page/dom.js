// Elements, and tables that change only where their rows have. All text is set as text.

// h makes an element. props with a value of true or false are attributes that are there or not, and
// those that begin with "on" are handlers.
export function h(name, props = {}, ...children) {
  const element = document.createElement(name);
  for (const [prop, value] of Object.entries(props)) {
    if (prop.startsWith("on")) element.addEventListener(prop.slice(2), value);
    else if (value === true) element.setAttribute(prop, "");
    else if (value !== false && value !== undefined) element.setAttribute(prop, value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null));
  return element;
}

// setText sets an element's text, if it is another one: a selection in it stays.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// setClass sets an element's class.
export function setClass(element, name) {
  if (element.className !== name) element.className = name;
}

// Table shows rows, each by a key. columns are {title, cell, number, narrow, name, bare}: cell(row, td) fills a
// td, and is called for a row whenever there is a sample. Those that are narrow are left out on
// narrow screens, where the rows of a table of cards are one below the other.
export class Table {
  constructor(caption, columns, cards = false) {
    this.columns = columns;
    this.rows = new Map();
    this.body = h("tbody");
    this.element = h("div", { class: cards ? "table cards" : "table", tabindex: "0", role: "region", "aria-label": caption },
      h("table", {},
        h("thead", {}, h("tr", {}, ...columns.map((column) => h("th", { scope: "col", class: kind(column) }, column.title)))),
        this.body));
  }

  // show shows rows as [key, row], in their order.
  show(rows) {
    const keys = new Set(rows.map(([key]) => key));
    for (const [key, tr] of this.rows) {
      if (!keys.has(key)) {
        tr.remove();
        this.rows.delete(key);
      }
    }
    let next = this.body.firstChild;
    for (const [key, row] of rows) {
      const tr = this.rows.get(key) ?? this.add(key);
      if (tr === next) next = next.nextSibling;
      else if (!tr.contains(document.activeElement)) this.body.insertBefore(tr, next);
      this.columns.forEach((column, i) => column.cell(row, tr.children[i]));
    }
  }

  add(key) {
    const tr = h("tr", {}, ...this.columns.map((column) => h("td", { class: kind(column), "data-title": column.title })));
    this.rows.set(key, tr);
    return tr;
  }
}

function kind(column) {
  return ["number", "narrow", "name", "bare"].filter((of) => column[of]).join(" ");
}

// text makes a column of text.
export const text = (title, of, more = {}) => ({ title, cell: (row, td) => setText(td, of(row)), ...more });

// number makes a column of numbers.
export const number = (title, of, more = {}) => text(title, of, { number: true, ...more });

// Few is a button that tells whether all rows are shown, or only the first ones, and changed is called
// when that has changed.
export class Few {
  constructor(most, changed) {
    this.most = most;
    this.button = h("button", {
      type: "button", hidden: true, "aria-pressed": "false", onclick: () => {
        this.button.setAttribute("aria-pressed", String(!this.every()));
        changed();
      },
    });
  }

  every() {
    return this.button.getAttribute("aria-pressed") === "true";
  }

  // of are the rows that are shown.
  of(rows) {
    this.button.hidden = rows.length <= this.most;
    setText(this.button, this.every() ? `the first ${this.most}` : `all ${rows.length}`);
    return this.every() ? rows : rows.slice(0, this.most);
  }
}

// once makes the content of a cell when its row comes, and then updates it.
export function once(td, make) {
  td.made ??= make(td);
  return td.made;
}

export function count(n) {
  return (n ?? 0).toLocaleString("en");
}

export function rate(perSecond) {
  if (perSecond === undefined) return "-";
  if (perSecond >= 100) return count(Math.round(perSecond));
  return perSecond >= 10 ? perSecond.toFixed(0) : perSecond > 0 ? perSecond.toFixed(1) : "0";
}

export function duration(seconds) {
  if (!seconds) return "-";
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  if (seconds < 120) return `${seconds.toFixed(seconds < 9.95 && seconds % 1 >= 0.05 ? 1 : 0)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`;
}

export function bytes(n) {
  for (const unit of ["B", "KiB", "MiB"]) {
    if (n < 1024) return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${unit}`;
    n /= 1024;
  }
  return `${n.toFixed(1)} GiB`;
}

export function ago(moment, now) {
  if (!moment) return "never";
  const seconds = (now - Date.parse(moment)) / 1000;
  return seconds < 1.5 ? "just now" : `${duration(seconds)} ago`;
}
