// Draws each figure of the page from the JSON beside it. Strings such as "--forecast" are custom
// properties of report.css: light and dark share one figure.
"use strict";

const dark = window.matchMedia("(prefers-color-scheme: dark)");

const fitted = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    if (Math.abs(contentRect.width - target.layout.width) >= 1) {
      Plotly.relayout(target, { width: contentRect.width }).then(() => scalable(target));
    }
  }
});

function coloured(value, style) {
  if (typeof value === "string") {
    return value.startsWith("--") ? style.getPropertyValue(value).trim() : value;
  }
  if (Array.isArray(value)) {
    return value.map((item) => coloured(item, style));
  }
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, coloured(item, style)]),
    );
  }
  return value;
}

// Paper has another width than the screen: print styles scale the drawing by its view box.
function scalable(place) {
  const { width, height } = place.layout;
  place.style.setProperty("--shape", `${width} / ${height}`);
  for (const image of place.querySelectorAll(".main-svg")) {
    image.setAttribute("viewBox", `0 0 ${width} ${height}`);
  }
}

async function draw(place, style, family) {
  const source = document.getElementById(`figure-${place.dataset.figure}`);
  const { data, layout } = coloured(JSON.parse(source.textContent), style);
  layout.font.family = family;
  layout.width = place.clientWidth;
  await Plotly.react(place, data, layout, { displayModeBar: false });
  scalable(place);
  fitted.observe(place);
}

function drawAll() {
  document.documentElement.dataset.drawn = dark.matches ? "dark" : "light";
  const style = window.getComputedStyle(document.documentElement);
  const family = window.getComputedStyle(document.body).fontFamily;
  document.querySelectorAll("[data-figure]").forEach((place) => draw(place, style, family));
}

document.addEventListener("DOMContentLoaded", () => {
  drawAll();
  dark.addEventListener("change", drawAll);
});
