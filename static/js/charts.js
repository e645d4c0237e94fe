/* Draws <div class="chart" data-chart="JSON figure"> and <div class="chart" data-chart-url="…"> with Plotly.
   The figure is {data, layout, config} as Plotly takes it. Colours in it are custom properties ("var(--series-1)"), read
   from the page's scheme; fonts, grid, hover and margins are set here, so that every chart of the portal looks alike.
   Without Plotly the chart gives way to its twin, the table beneath it. */

(() => {
  "use strict";

  const language = document.documentElement.lang;
  // Per chart id: its drawn element and the text of the figure in it.
  const drawn = new Map();

  /* Plotly speaks English by itself; Korean month and day names come from the browser. */
  function registerKorean() {
    const named = (part, style, dates) => {
      const format = new Intl.DateTimeFormat("ko", { [part]: style, timeZone: "UTC" });
      return dates.map((date) => format.format(date));
    };
    const months = Array.from({ length: 12 }, (_, month) => new Date(Date.UTC(2024, month, 15)));
    const days = Array.from({ length: 7 }, (_, day) => new Date(Date.UTC(2024, 8, 1 + day)));
    Plotly.register({
      moduleType: "locale",
      name: "ko",
      dictionary: {},
      format: {
        months: named("month", "long", months),
        shortMonths: named("month", "short", months),
        days: named("weekday", "long", days),
        shortDays: named("weekday", "short", days),
        date: "%Y-%m-%d",
        year: "%Y년",
        month: "%Y년 %b",
        dayMonth: "%-m. %-d.",
        dayMonthYear: "%Y. %-m. %-d.",
      },
    });
  }

  /* Every "var(--name)" of the figure, replaced by its value in the present scheme. */
  function coloured(value, style) {
    if (typeof value === "string") {
      return value.replace(/var\((--[\w-]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
    }
    if (Array.isArray(value)) return value.map((item) => coloured(item, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item, style)]));
    }
    return value;
  }

  const AXIS = {
    automargin: true,
    color: "var(--muted)",
    gridcolor: "var(--chart-grid)",
    linecolor: "var(--chart-grid)",
    zerolinecolor: "var(--line-strong)",
    fixedrange: true,
    separatethousands: true,
  };

  function dressed(layout, box, style) {
    const axes = { xaxis: {}, yaxis: { rangemode: "tozero" } };
    for (const name of Object.keys(layout)) if (/^[xy]axis\d*$/.test(name)) axes[name] ??= {};
    for (const name of Object.keys(axes)) {
      axes[name] = { ...AXIS, ...axes[name], ...layout[name] };
      if (axes[name].title) axes[name].title = { standoff: 16, ...axes[name].title };
    }
    return coloured(
      {
        separators: ".,",
        hovermode: "x unified",
        colorway: [1, 2, 3, 4, 5, 6].map((number) => `var(--series-${number})`),
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
        hoverlabel: { bgcolor: "var(--surface)", bordercolor: "var(--line-strong)", font: { color: "var(--text)" } },
        ...layout,
        ...axes,
        margin: { l: 8, r: 16, t: 32, b: 8, ...layout.margin },
        font: { family: style.fontFamily, size: 13, color: "var(--text)", ...layout.font },
        height: layout.height ?? box.clientHeight,
        autosize: true,
      },
      getComputedStyle(document.documentElement),
    );
  }

  function giveWay(box) {
    box.hidden = true;
    box.closest(".chart-figure")?.querySelector("details.twin")?.setAttribute("open", "");
  }

  async function figureText(box) {
    if (box.dataset.chart) return box.dataset.chart;
    const answer = await fetch(box.dataset.chartUrl, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`${box.dataset.chartUrl}: ${answer.status}`);
    return answer.text();
  }

  async function plot(box, text) {
    const figure = JSON.parse(text);
    const style = getComputedStyle(box);
    const data = coloured(figure.data, getComputedStyle(document.documentElement));
    const config = { displayModeBar: false, responsive: true, locale: language, ...figure.config };
    await Plotly.react(box, data, dressed(figure.layout ?? {}, box, style), config);
  }

  async function draw(box) {
    if (box.dataset.drawn) return;
    box.dataset.drawn = "yes";
    try {
      const text = await figureText(box);
      const known = drawn.get(box.id);
      if (known) {
        // The section around it was refreshed: the chart moves over, and is drawn again only if its figure changed.
        known.box.setAttribute("aria-label", box.getAttribute("aria-label"));
        box.replaceWith(known.box);
        if (known.text === text) return;
        known.text = text;
        await plot(known.box, text);
      } else {
        drawn.set(box.id, { box, text });
        await plot(box, text);
      }
    } catch (error) {
      console.error("The chart could not be drawn:", error);
      giveWay(box);
    }
  }

  const drawAll = () => document.querySelectorAll("[data-chart], [data-chart-url]").forEach(draw);

  if (!window.Plotly) {
    document.querySelectorAll("[data-chart], [data-chart-url]").forEach(giveWay);
    document.addEventListener("htmx:afterSwap", () =>
      document.querySelectorAll("[data-chart], [data-chart-url]").forEach(giveWay),
    );
    return;
  }

  function drawAgain() {
    for (const { box, text } of drawn.values()) if (box.isConnected) plot(box, text);
  }

  registerKorean();
  // A hidden chart has no size: it is drawn once its fonts are there, and again when the scheme changes.
  document.fonts.ready.then(drawAll);
  document.addEventListener("htmx:afterSwap", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAgain);

  // Paper is white: the charts are drawn in the light colours while the page is printed.
  const dark = document.getElementById("dark");
  window.addEventListener("beforeprint", () => {
    if (!dark) return;
    dark.disabled = true;
    drawAgain();
  });
  window.addEventListener("afterprint", () => {
    if (!dark) return;
    dark.disabled = false;
    drawAgain();
  });
})();
