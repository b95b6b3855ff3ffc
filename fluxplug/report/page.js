"use strict";
(() => {
  // Tooltips: the figures' own titles, shown at once instead of after the browser's pause.
  const tip = document.body.appendChild(document.createElement("div"));
  tip.id = "tip";
  tip.hidden = true;
  const told = (target) => {
    const mark = target.closest && target.closest(".view *");
    if (!mark) return null;
    const owner = mark.querySelector(":scope > title") ? mark : mark.parentNode;
    const title = owner.querySelector(":scope > title");
    if (title) {
      owner.dataset.tip = title.textContent;
      title.remove();
    }
    return owner.dataset && owner.dataset.tip;
  };
  document.addEventListener("pointermove", (event) => {
    const text = told(event.target);
    tip.hidden = !text;
    if (!text) return;
    if (tip.textContent !== text) tip.textContent = text;
    const box = tip.getBoundingClientRect();
    const left = event.clientX + 14 + box.width > innerWidth ? event.clientX - 14 - box.width : event.clientX + 14;
    const top = event.clientY + 14 + box.height > innerHeight ? event.clientY - 14 - box.height : event.clientY + 14;
    tip.style.left = Math.max(left, 0) + "px";
    tip.style.top = Math.max(top, 0) + "px";
  });

  // Zoom: all figures over time show the same span. Marks are stretched, ticks are made anew by the rules of scale.py.
  const plots = [...document.querySelectorAll(".zooms")];
  if (!plots.length) return;
  const SVG = "http://www.w3.org/2000/svg";
  const lo = Number(plots[0].dataset.lo), hi = Number(plots[0].dataset.hi);
  let from = lo, until = hi;

  const nice = (least) => {
    const power = 10 ** Math.floor(Math.log10(least));
    return [1, 2, 5, 10].map((f) => f * power).find((v) => v >= least * (1 - 1e-9));
  };
  const ROUND = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200];
  const stepFor = (least) =>
    least <= 1 ? nice(least) : ROUND.find((v) => v >= least) || 86400 * nice(least / 86400);
  const two = (n) => String(n).padStart(2, "0");
  const label = (t, step, first) => {
    if (step >= 86400) return Math.round(t / 86400).toLocaleString("en") + " d";
    if (step < 1 || until <= 120) return Number(t.toPrecision(10)) + " s";
    if (until <= 7200 && step >= 60) return Math.round(t / 60) + " min";
    if (until <= 172800 && step >= 3600) return Math.round(t / 3600) + " h";
    const whole = Math.round(t), day = Math.floor(whole / 86400), rest = whole - day * 86400;
    const clock = Math.floor(rest / 3600) + ":" + two(Math.floor((rest % 3600) / 60)) + (step < 60 ? ":" + two(rest % 60) : "");
    if (rest === 0 && until > 86400) return day.toLocaleString("en") + " d";
    return first && day ? day.toLocaleString("en") + " d " + clock : clock;
  };
  const make = (name, attributes, text) => {
    const element = document.createElementNS(SVG, name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    if (text) element.textContent = text;
    return element;
  };
  const buttons = {};
  const show = (a, b) => {
    const span = Math.max(Math.min(b - a, hi - lo), (hi - lo) / 5000);
    from = Math.min(Math.max(a, lo), hi - span);
    until = from + span;
    const step = stepFor(span / 9), ticks = [];
    for (let k = Math.ceil(from / step - 1e-9); k * step <= until + step * 1e-9 && ticks.length < 100; k++) ticks.push(k * step);
    for (const plot of plots) {
      const view = plot.querySelector(".view");
      const width = Number(view.getAttribute("width")), height = Number(view.getAttribute("height"));
      const per = width / (hi - lo);
      view.setAttribute("viewBox", `${(from - lo) * per} 0 ${span * per} ${height}`);
      for (const hatch of view.querySelectorAll("pattern"))
        hatch.setAttribute("patternTransform", `scale(${span / (hi - lo)} 1)rotate(45)`);
      plot.classList.toggle("near", span < (hi - lo) / 2 && plot.querySelector(".close") !== null);
      plot.querySelector(".ticks").replaceChildren(...ticks.flatMap((t, i) => {
        const x = ((t - from) / span) * width;
        return [
          make("path", { class: "grid", d: `M${x} 0v${height}` }),
          make("text", { x, y: height + 17, "text-anchor": "middle" }, label(t, step, i === 0)),
        ];
      }));
    }
    const whole = span > (hi - lo) * 0.9999;
    buttons.out.disabled = buttons.all.disabled = whole;
    buttons.left.disabled = whole || from <= lo;
    buttons.right.disabled = whole || until >= hi;
  };

  const bar = document.getElementById("zoom");
  bar.append("Drag over a figure to zoom");
  const about = (factor, shift) => () => {
    const middle = (from + until) / 2 + shift * (until - from), half = ((until - from) / 2) * factor;
    show(middle - half, middle + half);
  };
  for (const [key, text, words, act] of [
    ["left", "◀", "earlier", about(1, -0.5)],
    ["right", "▶", "later", about(1, 0.5)],
    ["in", "+", "zoom in", about(0.5, 0)],
    ["out", "−", "zoom out", about(2, 0)],
    ["all", "All", "show the whole log", () => show(lo, hi)],
  ]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.title = words;
    button.setAttribute("aria-label", words);
    button.addEventListener("click", act);
    bar.append(button);
    buttons[key] = button;
  }
  bar.hidden = false;
  buttons.out.disabled = buttons.all.disabled = buttons.left.disabled = buttons.right.disabled = true;

  for (const plot of plots) {
    const well = plot.querySelector(".well"), view = plot.querySelector(".view");
    let start = null, brush = null;
    const share = (event) => {
      const box = well.getBoundingClientRect();
      return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    };
    plot.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType === "touch" || !(view.contains(event.target) || event.target === well)) return;
      start = share(event);
      plot.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    plot.addEventListener("pointermove", (event) => {
      if (start === null) return;
      const width = Number(view.getAttribute("width")), now = share(event);
      brush = brush || plot.appendChild(make("rect", { class: "brush", y: 0, height: view.getAttribute("height") }));
      brush.setAttribute("x", Math.min(start, now) * width);
      brush.setAttribute("width", Math.abs(now - start) * width);
    });
    const end = (event) => {
      if (start === null) return;
      const a = Math.min(start, share(event)), b = Math.max(start, share(event)), span = until - from;
      start = null;
      if (brush) brush.remove();
      brush = null;
      if (event.type === "pointerup" && b - a > 0.005) show(from + a * span, from + b * span);
    };
    plot.addEventListener("pointerup", end);
    plot.addEventListener("pointercancel", end);
    plot.addEventListener("dblclick", () => show(lo, hi));
  }
})();
