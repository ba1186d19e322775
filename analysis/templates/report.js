// The report's moving parts: learning curves, the run list, and the section that is read now.
async function unpacked(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}
const STUDIES = (await unpacked(document.getElementById("data").textContent)).studies;
const SVG = "http://www.w3.org/2000/svg";

function element(tag, attributes = {}, ...children) {
  const node = tag.startsWith("svg:") ? document.createElementNS(SVG, tag.slice(4)) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
const colour = (arm) => `c${arm.colour < 0 ? "grey" : arm.colour} d${arm.dash}`;
function swatch(arm) {
  return element("svg:svg", { class: `swatch ${colour(arm)}`, "aria-hidden": "true" }, element("svg:use", { href: "#stroke" }));
}
// As page.py's `compact`: '0.996', '30.1', '1,500', '2.20e−15'.
function compact(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value), isWhole = size >= 1000 || (size >= 10 && Number.isInteger(value));
  const text = size >= 1e7 || (size > 0 && size < 1e-3) ? value.toExponential(2).replace("+", "")
    : isWhole ? Math.round(value).toLocaleString("en") : value.toFixed(size >= 10 ? 1 : 3);
  return text.replaceAll("-", "−");
}

// ---- learning curves ----------------------------------------------------------------------------

function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
}
function logTicks(low, high) {
  const all = [];
  for (let p = Math.floor(Math.log10(low)); 10 ** p <= high; p++) all.push(...[1, 2, 5].map((m) => m * 10 ** p));
  const inside = all.filter((t) => t >= low && t <= high);
  return inside.length > 8 ? inside.filter((t) => Math.log10(t) % 1 === 0) : inside;
}
// The last value seen at a step: a run that stopped early keeps it.
function valueAt(curve, step) {
  let low = 0, high = curve.length - 1;
  if (high < 0 || curve[0][0] > step) return null;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (curve[middle][0] <= step) low = middle; else high = middle - 1;
  }
  return curve[low][1];
}

class Curves {
  constructor(figure) {
    this.study = STUDIES[figure.dataset.study];
    this.figure = figure;
    this.chart = figure.querySelector(".chart");
    this.hidden = new Set(this.study.arms.flatMap((arm, i) => (arm.role === "aa" ? [i] : [])));
    this.state = { group: figure.querySelector("[data-control=group]")?.value ?? this.study.arms[0].group, lines: "mean", axis: "log" };
    figure.addEventListener("change", (event) => {
      const control = event.target.dataset.control;
      if (!control) return;
      this.state[control] = event.target.value;
      if (control === "group") this.metrics();
      this.update(control === "metric" || control === "group");
    });
    for (const button of figure.querySelectorAll("[data-show]")) {
      button.addEventListener("click", () => {
        this.hidden = new Set(button.dataset.show === "all" ? [] : this.study.arms.keys());
        this.update(true);
      });
    }
    this.chart.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by || !this.steps.length) return;
      event.preventDefault();
      const now = this.steps.indexOf(this.at);
      this.read(this.steps[Math.min(Math.max(now + by, 0), this.steps.length - 1)]);
    });
    this.metrics();
    let width = 0;
    new ResizeObserver(([entry]) => {
      const now = Math.round(entry.contentRect.width);
      if (now && now !== width) { width = now; this.draw(); }
    }).observe(this.chart);
    this.update(true);
  }

  // Offers the metrics that some run of the group has a curve of; keeps the chosen one if it can.
  metrics() {
    const select = this.figure.querySelector("[data-control=metric]"), { metrics, runs } = this.study.curves;
    const ids = this.study.arms.filter((arm) => arm.group === this.state.group).flatMap((arm) => arm.runs);
    const offered = metrics.filter((name) => ids.some((id) => runs[id]?.[name]));
    const label = (name) => { const [split, ...rest] = name.split("/"); return rest.length ? `${rest.join("/").replaceAll("_", " ")}, ${split}` : name; };
    select.replaceChildren(...offered.map((name) => element("option", { value: name }, label(name))));
    this.state.metric = select.value = offered.includes(this.state.metric) ? this.state.metric : offered[0] ?? "";
  }

  // The arms of the group that have the metric, each with its seeds' curves as [[step, value], ...].
  update(rebuild) {
    const { runs, steps } = this.study.curves, isLog = this.state.axis === "log";
    this.shown = this.study.arms.map((arm, index) => {
      const seeds = arm.group !== this.state.group ? [] : arm.runs.filter((id) => runs[id]?.[this.state.metric]).map((id) => {
        const [place, values] = runs[id][this.state.metric];
        return steps[place].map((step, i) => [step, values[i]]).filter(([step]) => !isLog || step > 0);
      }).filter((curve) => curve.length);
      const grid = [...new Set(seeds.flat().map(([step]) => step))].sort((a, b) => a - b);
      const band = grid.map((step) => {
        const values = seeds.map((seed) => valueAt(seed, step)).filter((v) => v !== null);
        return { step, mean: values.reduce((a, b) => a + b, 0) / values.length, low: Math.min(...values), high: Math.max(...values) };
      });
      return { arm, index, seeds, band };
    }).filter((entry) => entry.seeds.length);
    this.visible = this.shown.filter((entry) => !this.hidden.has(entry.index));
    this.steps = [...new Set(this.shown.flatMap((entry) => entry.band.map((b) => b.step)))].sort((a, b) => a - b);
    if (!this.steps.includes(this.at)) this.at = this.steps.at(-1);
    if (rebuild) this.legend();
    this.draw();
  }

  legend() {
    const list = this.figure.querySelector(".legend .arms");
    list.replaceChildren(...this.shown.map(({ arm, index }) => {
      const button = element("button", { type: "button", "aria-pressed": String(!this.hidden.has(index)), "data-arm": index },
        swatch(arm), element("span", {}, arm.name), element("span", { class: "read" }));
      button.addEventListener("click", () => {
        if (!this.hidden.delete(index)) this.hidden.add(index);
        button.setAttribute("aria-pressed", String(!this.hidden.has(index)));
        this.update(false);
      });
      return button;
    }));
  }

  draw() {
    const width = Math.max(this.chart.clientWidth, 280), height = Math.round(Math.min(Math.max(width * 0.6, 240), 430));
    const box = { left: 46, right: width - 24, top: 10, bottom: height - 42 };
    const isLog = this.state.axis === "log", place = (step) => (isLog ? Math.log(step) : step);
    const low = this.steps[0] ?? 1, high = this.steps.at(-1) ?? 10;
    const span = place(high) - place(low) || 1;
    this.x = (step) => box.left + ((place(step) - place(low)) / span) * (box.right - box.left);
    const values = this.visible.flatMap((entry) => entry.band.flatMap((b) => [b.low, b.high]));
    let [bottom, top] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
    if (bottom >= 0) bottom = 0;
    if (top <= 1 && top > 0.5) top = 1;
    if (top === bottom) top = bottom + 1;
    this.y = (value) => box.bottom - ((value - bottom) / (top - bottom)) * (box.bottom - box.top);
    const svg = element("svg:svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${this.state.metric} against training step, ${this.visible.length} arms` });
    for (const value of ticks(bottom, top, 5)) {
      svg.append(element("svg:line", { class: value === 0 ? "base" : "grid", x1: box.left, x2: box.right, y1: this.y(value), y2: this.y(value) }),
        element("svg:text", { x: box.left - 8, y: this.y(value) + 4, "text-anchor": "end" }, String(Number(value.toPrecision(10)))));
    }
    for (const step of isLog ? logTicks(low, high) : ticks(low, high, Math.max(3, width / 130))) {
      svg.append(element("svg:line", { class: "base", x1: this.x(step), x2: this.x(step), y1: box.bottom, y2: box.bottom + 5 }),
        element("svg:text", { x: this.x(step), y: box.bottom + 19, "text-anchor": "middle" }, step.toLocaleString("en")));
    }
    svg.append(element("svg:text", { x: (box.left + box.right) / 2, y: height - 4, "text-anchor": "middle" }, `training step${isLog ? ", log scale" : ""}`));
    const path = (points) => "M" + points.map(([step, value]) => `${this.x(step).toFixed(1)},${this.y(value).toFixed(1)}`).join("L");
    for (const { arm, band, seeds } of this.visible) {
      if (this.state.lines === "mean") {
        const outline = [...band.map((b) => [b.step, b.high]), ...band.toReversed().map((b) => [b.step, b.low])];
        svg.append(element("svg:path", { class: `range ${colour(arm)}`, d: path(outline) + "Z" }));
      } else {
        svg.append(...seeds.map((seed) => element("svg:path", { class: `line seed ${colour(arm)}`, d: path(seed) })));
        svg.append(...seeds.map((seed) => element("svg:circle", { class: `dot ${colour(arm)}`, r: 2.8, cx: this.x(seed.at(-1)[0]), cy: this.y(seed.at(-1)[1]) })));
      }
    }
    if (this.state.lines === "mean") {
      for (const { arm, band } of this.visible) {
        const end = band.at(-1);
        svg.append(element("svg:path", { class: `line ${colour(arm)}`, d: path(band.map((b) => [b.step, b.mean])) }),
          element("svg:circle", { class: `dot ${colour(arm)}`, r: 3.2, cx: this.x(end.step), cy: this.y(end.mean) }));
      }
    }
    this.cursor = element("svg:g", {});
    this.box = box;
    svg.append(this.cursor);
    const follow = (event) => {
      const where = (event.clientX - svg.getBoundingClientRect().left) * (width / svg.getBoundingClientRect().width);
      this.read(this.steps.reduce((best, step) => (Math.abs(this.x(step) - where) < Math.abs(this.x(best) - where) ? step : best), this.steps[0]));
    };
    svg.addEventListener("pointermove", follow);
    svg.addEventListener("pointerdown", follow);
    this.chart.replaceChildren(svg);
    this.read(this.at);
  }

  // Shows every visible arm's value at one step: a line in the plot, numbers in the list.
  read(step) {
    this.at = step;
    this.figure.querySelector(".at").textContent = step === undefined ? "" : `At step ${step.toLocaleString("en")}`;
    const x = this.x(step ?? 1);
    this.cursor.replaceChildren(element("svg:line", { class: "cursor", x1: x, x2: x, y1: this.box.top, y2: this.box.bottom }));
    for (const read of this.figure.querySelectorAll(".legend .read")) read.replaceChildren();
    for (const { arm, index, seeds, band } of this.visible) {
      const values = seeds.map((seed) => valueAt(seed, step)).filter((v) => v !== null);
      if (!values.length) continue;
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const ended = step > band.at(-1).step;
      if (!ended && this.state.lines === "mean") this.cursor.append(element("svg:circle", { class: `dot ${colour(arm)}`, r: 4, cx: x, cy: this.y(mean) }));
      const range = `${compact(Math.min(...values))} to ${compact(Math.max(...values))}`;
      const read = this.figure.querySelector(`.legend [data-arm="${index}"] .read`);
      read.classList.toggle("ended", ended);
      read.append(compact(mean), element("small", {}, range));
    }
  }
}

// ---- the run list -------------------------------------------------------------------------------

class Runs {
  constructor(list) {
    this.study = STUDIES[list.dataset.study];
    this.list = list;
    this.body = list.querySelector("tbody");
    this.rows = [...this.body.rows];
    this.text = new Map(this.rows.map((row) => [row, this.searchable(row)]));
    for (const input of list.querySelectorAll("[data-filter]")) input.addEventListener("input", () => this.filter());
    list.querySelector("[data-clear]").addEventListener("click", () => {
      for (const input of list.querySelectorAll("[data-filter]")) input.value = "";
      this.filter();
    });
    list.querySelectorAll("thead th").forEach((head, column) => head.firstElementChild.addEventListener("click", () => this.sort(head, column)));
    for (const row of this.rows) row.querySelector("button").addEventListener("click", () => this.toggle(row));
  }

  searchable(row) {
    const { config, reason } = this.study.runs[row.dataset.run];
    const settings = config.map((i) => this.study.settings[i].join("="));
    return [row.dataset.run, row.textContent, reason, ...settings].join(" ").toLowerCase();
  }

  filter() {
    const wanted = Object.fromEntries([...this.list.querySelectorAll("[data-filter]")].map((i) => [i.dataset.filter, i.value]));
    const words = wanted.text.toLowerCase().split(/\s+/);
    let count = 0;
    for (const row of this.rows) {
      const fits = words.every((word) => this.text.get(row).includes(word))
        && (!wanted.arm || row.dataset.arm === wanted.arm) && (!wanted.status || row.dataset.status === wanted.status);
      row.hidden = !fits;
      if (row.detail) row.detail.hidden = !fits;
      count += fits;
    }
    const total = this.rows.length;
    this.list.querySelector("output").textContent = count === total ? `${total} runs` : `${count} of ${total} runs`;
    this.list.querySelector("[data-none]").hidden = count > 0;
  }

  // Numbers by value, names by letter; what is missing stays last in both directions.
  sort(head, column) {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => {
      const cell = row.cells[column], value = cell.dataset.value;
      return value === undefined ? cell.textContent.trim() : value === "" ? null : Number(value);
    };
    const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b));
    const keyed = this.rows.map((row) => [key(row), row]).sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : down ? compare(b, a) : compare(a, b)));
    this.rows = keyed.map(([, row]) => row);
    this.body.replaceChildren(...this.rows.flatMap((row) => [row, row.detail].filter(Boolean)));
  }

  toggle(row) {
    const button = row.querySelector("button"), open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) { row.detail.remove(); row.detail = null; return; }
    row.detail = element("tr", { class: "detail" }, element("td", { colspan: row.cells.length }, this.detail(row.dataset.run)));
    row.after(row.detail);
  }

  detail(id) {
    const run = this.study.runs[id], names = this.study.names;
    const named = (key) => names[key].map((name, i) => [name, run[key][i]]).filter(([, value]) => value !== null);
    const list = (title, entries, own = []) => entries.length ? [element("section", {}, element("h5", {}, title), element("dl", { tabindex: "0", "aria-label": title },
      ...entries.map(([key, value]) => element("div", own.includes(key) ? { class: "own" } : {}, element("dt", {}, key),
        element("dd", {}, typeof value === "number" ? compact(value) : value)))))] : [];
    const settings = Object.fromEntries(run.config.map((i) => this.study.settings[i])), own = Object.keys(settings);
    const config = Object.entries({ ...this.study.config, ...settings }).sort(([a], [b]) => own.includes(b) - own.includes(a));
    return element("div", { class: "parts" },
      element("div", {}, ...list("Run", [["run id", id], ...(run.reason ? [["not finished", run.reason]] : []), ...Object.entries(run.origin)]), ...list("Cost", named("cost"))),
      ...list("Config; in bold what not all runs share", config, own),
      ...list("Metrics", named("metrics")));
  }
}

// ---- navigation ---------------------------------------------------------------------------------

function followSections() {
  const links = new Map([...document.querySelectorAll("nav ul a")].map((link) => [link.hash.slice(1), link]));
  const seen = new Set(), order = [...links.keys()];
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) seen[entry.isIntersecting ? "add" : "delete"](entry.target.id);
    const current = order.find((id) => seen.has(id));
    for (const [id, link] of links) id === current ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
    // On a phone the bar is wider than the screen: bring the link into it, without moving the page.
    if (current) document.querySelector("nav").scrollLeft = links.get(current).offsetLeft - 100;
  }, { rootMargin: "-20% 0px -60% 0px" });
  for (const id of order) observer.observe(document.getElementById(id));
}

document.querySelectorAll("figure.curves").forEach((figure) => new Curves(figure));
document.querySelectorAll(".runs").forEach((list) => new Runs(list));
followSections();
document.documentElement.dataset.ready = "";
